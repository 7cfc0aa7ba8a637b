"""Images: formats, decoding, bit depth, orientation, and the sources that pixels come from."""
