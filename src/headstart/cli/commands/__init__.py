"""The commands, one file each: arguments, options and body together.

A file of this folder that registers its command is found without being named anywhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import click

from headstart.runtime.registry import Registry

C = TypeVar("C", bound=click.Command)


class RegisteredCommand(NamedTuple):
    """A command and its place in the help."""

    order: int
    command: click.Command


COMMANDS: Registry[RegisteredCommand] = Registry("command", __name__, order=lambda registered: registered.order)
"""Every command by its name, in the order of a user's work."""


def register_command(order: int) -> Callable[[C], C]:
    """Decorator: make a command one of headstart's.

    Parameters
    ----------
    order : int
        Its place in ``headstart --help``, by rising numbers: the order of a user's work.

    Raises
    ------
    ValueError
        When another command has its name.
    """

    def register(command: C) -> C:
        COMMANDS.add(command.name or "", RegisteredCommand(order, command))
        return command

    return register
