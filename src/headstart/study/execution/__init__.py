"""Where the work of a study runs: its work items, worker processes, the journal and the run folder."""
