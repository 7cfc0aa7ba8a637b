"""Answers of commands: tables for people, or with ``--json`` one document; errors either way."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import click

from headstart.cli.command import Option
from headstart.cli.table import print_line, printable

_KEY: Final = "headstart.json"
JSON_FLAG: Final = "--json"
_JSON_CONTROLS: Final = re.compile("[\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff]")  # JSON leaves these as they are


@dataclass(frozen=True)
class Answer:
    """Answer of a command; it is printed here, so that every command has ``--json``.

    Attributes
    ----------
    document : callable
        Gives plain values; called for ``--json`` only.
    show : callable
        Prints the same for people.
    exit_code : int
    """

    document: Callable[[], Any]
    show: Callable[[], None]
    exit_code: int = 0


def json_option(command: click.Command) -> click.Command:
    """The command with ``--json`` among its options, and all commands below it."""
    if isinstance(command, click.Group):
        for below in command.commands.values():
            json_option(below)
    answers = not isinstance(command, click.Group) or command.invoke_without_command
    if answers and not any(JSON_FLAG in one.opts for one in command.params):
        help = "Print one JSON document and nothing else, errors too."
        command.params.append(Option([JSON_FLAG], group="Output", is_flag=True, expose_value=False, help=help))
    return command


def note_format(context: click.Context, arguments: Sequence[str]) -> None:
    """Remember whether ``--json`` is among the arguments, so that an error of theirs can be answered with it."""
    before_names = arguments[: arguments.index("--")] if "--" in arguments else arguments
    context.meta[_KEY] = JSON_FLAG in before_names


def wants_json() -> bool:
    """Whether the command in hand is to answer with JSON."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(_KEY))


def give(answer: Any) -> int:
    """Print an answer; its exit code."""
    if not isinstance(answer, Answer):
        return 0
    if wants_json():
        print_json(answer.document())
    else:
        answer.show()
    return answer.exit_code


def refuse(context: click.Context, message: str, exit_code: int, *, shown: str = "") -> NoReturn:
    """Leave with an error, in words on stderr; with ``--json`` as a document on stdout too."""
    print_line(shown or f"Error: {message}", err=True)
    _print_error(message, exit_code)
    context.exit(exit_code)


@contextmanager
def misuse_as_json() -> Iterator[None]:
    """Context in which click's own errors are printed as JSON where that is wanted; click prints them in words."""
    try:
        yield
    except click.ClickException as error:
        words = error.format_message()
        _print_error(words, error.exit_code)
        if printable(words) == words:
            raise
        kind = click.UsageError if isinstance(error, click.UsageError) else click.ClickException
        raise kind(printable(words)) from error
    except click.Abort:
        _print_error("Nothing was done.", 1)
        raise


def print_json(value: Any) -> None:
    """Print plain values as JSON."""
    shows_all = (sys.stdout.encoding or "utf-8").lower().replace("-", "").startswith("utf")
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=not shows_all, allow_nan=False)
    sys.stdout.write(printable_json(text) + "\n")
    sys.stdout.flush()  # what it refuses is an error here, not at the end of Python


def printable_json(text: str) -> str:
    r"""JSON with the control characters that it allows as they are spelled out as JSON does, too.

    >>> printable_json('"calm\x9b"')
    '"calm\\u009b"'
    """
    return _JSON_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _print_error(message: str, exit_code: int) -> None:
    if wants_json():
        print_json({"error": message, "exit_code": exit_code})
