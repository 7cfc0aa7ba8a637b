"""Micrographs: planes by channel, the size of a pixel, and the well and field that a name tells of."""
