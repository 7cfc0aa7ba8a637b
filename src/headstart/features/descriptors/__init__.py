"""Descriptors made by hand: colour, texture and shape of an image, without a network."""
