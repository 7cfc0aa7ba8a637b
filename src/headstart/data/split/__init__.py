"""The split contract: which images are trained on and which are judged, made, checked, and kept in a file."""
