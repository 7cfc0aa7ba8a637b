"""A simulated assay of living and dead cells with exact masks and classes, to try out and to measure methods by."""
