"""From what the study found to the documents of a run, one file a topic."""
