"""The simple rivals every result is held against: the backbone with random weights."""
