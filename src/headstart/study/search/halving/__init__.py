"""Successive halving: its plan, and the run that drops the weaker candidates early."""
