"""Readers: from a folder, an array file or a table to columns of a data set."""
