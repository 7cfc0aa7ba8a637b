"""The paper on one page: its three applications run on what is at hand, beside its figures."""
