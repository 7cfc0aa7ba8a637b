"""Execution of a study: its work items, worker processes, the journal and the run folder."""
