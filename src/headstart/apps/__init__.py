"""Thin fronts for particular jobs."""
