"""The simple rivals every result is held against: descriptors made by hand, and the backbone with random weights."""
