"""Copies that were cropped, turned by a few degrees, or both, and perhaps mirrored: proposed, registered, confirmed."""
