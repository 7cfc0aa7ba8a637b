"""The sections of a report: their tables, sentences and figures, in the order of the page."""
