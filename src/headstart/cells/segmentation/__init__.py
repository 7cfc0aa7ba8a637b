"""Cells found by classical means: foreground, watershed, pieces joined, outlines trimmed; by tiles where asked."""
