"""Pydantic models of every document that a run writes, one file a topic."""
