"""Transfer learning for small image data sets."""
