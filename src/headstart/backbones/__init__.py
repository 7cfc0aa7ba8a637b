"""Pretrained networks: their names, their weights and where those come from, and one way to run their frozen part."""
