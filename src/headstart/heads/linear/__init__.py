"""Linear heads found by descent: their loss over blocks of rows, principal directions, the descent itself."""
