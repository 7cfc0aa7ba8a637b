"""Half pictures: what a decoder would fill with grey or black without a word, found format by format."""

from __future__ import annotations


class HalfPictureError(OSError):
    """Picture of which a part is missing although its decoder finishes; the text is the reason."""
