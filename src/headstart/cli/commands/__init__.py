"""The commands, one file each: what they ask the library for and what they print."""
