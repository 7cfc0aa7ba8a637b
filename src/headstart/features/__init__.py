"""Features: the frozen part of a backbone, run once per image, and the cache of its output."""
