"""The command line: thin fronts over the calls that Python users make."""

from headstart.cli.main import main

__all__ = ["main"]
