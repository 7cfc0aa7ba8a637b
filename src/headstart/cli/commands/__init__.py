"""The commands, one file each: arguments, options and body together.

A file of this folder that registers its command is found without being named anywhere else.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import TypeVar

import click

C = TypeVar("C", bound=click.Command)

COMMANDS: dict[str, click.Command] = {}
_ORDER: dict[str, int] = {}


def register_command(order: int) -> Callable[[C], C]:
    """Decorator: make a command one of headstart's.

    Parameters
    ----------
    order : int
        Its place in ``headstart --help``, by rising numbers: the order of a user's work.
    """

    def register(command: C) -> C:
        name = command.name or ""
        if name in COMMANDS:
            raise ValueError(f"there is a command called {name} already")
        COMMANDS[name], _ORDER[name] = command, order
        return command

    return register


def in_order() -> list[str]:
    """Names of the commands as the help lists them."""
    return sorted(COMMANDS, key=lambda name: _ORDER[name])


def load_commands() -> dict[str, click.Command]:
    """The commands of this folder, imported; and of whoever registers one later."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return COMMANDS
