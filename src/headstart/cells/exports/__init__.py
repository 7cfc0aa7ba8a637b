"""Cells for other tools: outlines for QuPath and ImageJ, tables in CellProfiler's style, framed pictures."""
