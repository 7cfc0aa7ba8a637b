"""Sample data sets: real images of small tasks, read from packages that carry them."""
