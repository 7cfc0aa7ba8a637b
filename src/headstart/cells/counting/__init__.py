"""How many cells are of one class: for every micrograph and every well, as called and corrected, with intervals."""
