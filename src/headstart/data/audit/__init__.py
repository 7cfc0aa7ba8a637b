"""The audit: every file looked at once, exact and perceptual duplicates, and what to warn of."""
