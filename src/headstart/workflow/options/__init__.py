"""Options of a job, and what they ask for: a search space, training sets, a pretraining."""
