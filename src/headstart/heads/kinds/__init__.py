"""Kinds of heads, one file each: how each is fitted."""
