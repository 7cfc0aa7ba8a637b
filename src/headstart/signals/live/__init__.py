"""A live stream of samples: lines to samples, samples to windows, windows to alarms, and the state that is kept."""
