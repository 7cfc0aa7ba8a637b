"""What the process runs with: threads, precision, and warnings of libraries muted where they say nothing new."""
