"""Clean-up of dermoscopic images before a network sees them, each step optional."""
