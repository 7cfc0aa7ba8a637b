"""The audit of a data set: unreadable images, duplicates, near-duplicate candidates and warnings."""
