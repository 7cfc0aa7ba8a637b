"""The experiment: candidates, inner choice, outer judgement, resuming, and where the work runs."""
