"""The running process: threads, precision, and warnings of libraries muted where they say nothing new."""
