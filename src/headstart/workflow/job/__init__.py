"""One job in hand: its data, sources, costs, fine-tuning and baselines, and what it leaves as documents and bundle."""
