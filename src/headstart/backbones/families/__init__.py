"""Families of networks: the names they go by, and the stages they are cut into."""
