"""Fine-tuning candidates of a study: their fits, their competition with the frozen winners, what a budget leaves."""
