"""What the process runs with: warnings of libraries, muted where they say nothing new."""
