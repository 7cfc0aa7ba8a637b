"""`cells count`: the cells of one class in micrographs, called by a model, counted, framed and listed."""
