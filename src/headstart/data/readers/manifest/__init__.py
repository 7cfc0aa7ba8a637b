"""Manifests: tables that name image files, their labels, groups and weights."""
