"""The documents of a run: read from its folder, checked, and without names of images where asked."""
