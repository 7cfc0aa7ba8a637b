"""Which engine runs the network: candidates timed, held against the reference, and chosen."""
