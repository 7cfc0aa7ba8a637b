"""Running the frozen part of a backbone once per image, and keeping what it computed."""
