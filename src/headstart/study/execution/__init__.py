"""Where the work of a study runs: its pieces, worker processes, the journal, the run folder, how long it takes."""
