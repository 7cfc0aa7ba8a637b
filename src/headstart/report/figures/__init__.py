"""The figures of a report, drawn with one style."""
