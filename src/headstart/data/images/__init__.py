"""One image: its file's format, decoding, bit depth and orientation, and where its pixels lie."""
