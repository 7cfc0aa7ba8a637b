"""The words of a report: numbers and lists written out, the names of metrics, the methods paragraph."""
