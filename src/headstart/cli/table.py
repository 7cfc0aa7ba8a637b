"""Tables and lists of facts as plain text that is never wider than the terminal, and never breaks a word.

A table that is too wide goes on below itself, its first column repeated; a column that is too wide even so becomes a
list below it.
"""

from __future__ import annotations

import re
import shutil
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import click

from headstart.cli.streams import STDERR

_GAP: Final = "  "
_NUMBER: Final = re.compile(r"-|undefined|[-+]?[\d,]*\.?\d+( ?[kMGT]?B?| %)")
_MIN_TEXT: Final = 20


def terminal_width() -> int:
    """Columns of the terminal: ``$COLUMNS`` where it is set, 80 where there is no terminal."""
    return max(shutil.get_terminal_size().columns, _MIN_TEXT)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table under its title, and an empty line."""
    click.echo(click.style(printable(title), bold=True))
    click.echo("\n".join(table_lines(columns, rows, terminal_width())) + "\n")


def print_facts(title: str, facts: Sequence[tuple[str, str]]) -> None:
    """Print names and values under a title, and an empty line; long values go on below themselves."""
    click.echo(click.style(printable(title), bold=True))
    click.echo("\n".join(fact_lines(facts, terminal_width())) + "\n")


def print_text(text: str) -> None:
    """Print a paragraph, broken between words only; one that is indented goes on a little further in.

    Where neither a terminal nor ``$COLUMNS`` sets a width it stays one line, for what reads the output line by line.
    """
    if shutil.get_terminal_size((0, 0)).columns == 0:
        print_line(text)
        return
    indent = len(text) - len(text.lstrip(" "))
    click.echo("\n".join(wrapped(printable(text), terminal_width(), indent + 2 if indent else 0)))


def print_line(text: str, *, err: bool = False) -> None:
    """Print a line as it is, however long: a path or a command to be copied; control characters are spelled out."""
    if err:
        click.echo(printable(text), file=STDERR)
    else:
        click.echo(printable(text))


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Lines of a table that is at most so many columns wide, as far as its longest words are.

    >>> for line in table_lines(["class", "images", "F1"], [["calm", "12", "0.9"], ["rough", "9", "0.85"]], 15):
    ...     print(line)
    class  images
    -----  ------
    calm       12
    rough       9
    <BLANKLINE>
    class    F1
    -----  ----
    calm    0.9
    rough  0.85
    """
    cells = [[on_one_line(cell) for cell in row] for row in rows]
    made = [_Column(name, tuple(row[place] for row in cells)) for place, name in enumerate(columns)]
    if _total(made) > width:
        made = [replace(one, breaks_header=True) for one in made]
    parts = [_block_lines(block, width) for block in _blocks(made, width)]
    return [line for part in parts for line in ("", *part)][1:]


def fact_lines(facts: Sequence[tuple[str, str]], width: int) -> list[str]:
    """Lines of names and their values, side by side where there is room.

    >>> for line in fact_lines([("images", "48"), ("notes", "Batches are small here.")], 26):
    ...     print(line)
    images  48
    notes   Batches are small
            here.
    """
    names = [printable(name) for name, _ in facts]
    indent = max(map(_width, names), default=0) + len(_GAP)
    if width - indent < _MIN_TEXT // 2:
        indent = len(_GAP)
    lines = []
    for name, (_, value) in zip(names, facts, strict=True):
        text = [line for part in printable(value).split("\n") for line in wrapped(part, width - indent)]
        if _width(name) + len(_GAP) > indent:
            lines += [name, *(" " * indent + line for line in text)]
        else:
            lines += [(_padded(name, indent) if place == 0 else " " * indent) + line for place, line in enumerate(text)]
    return [line.rstrip() for line in lines]


def wrapped(text: str, width: int, indent: int = 0) -> list[str]:
    """Lines of a paragraph, broken between words only; a word that is too long stands alone, whole.

    >>> wrapped("  not set: HEADSTART_CACHE", 14, indent=4)
    ['  not set:', '    HEADSTART_CACHE']
    """
    after = " " * indent
    return textwrap.wrap(text, width, subsequent_indent=after, break_long_words=False, break_on_hyphens=False) or [""]


def printable(text: str) -> str:
    r"""The text with control characters spelled out, so that a name cannot steer the terminal; newlines stay.

    >>> printable("calm\x1b[31m")
    'calm\\x1b[31m'
    """
    return "".join(sign if sign.isprintable() or sign == "\n" else repr(sign)[1:-1] for sign in text)


def on_one_line(text: str) -> str:
    r"""The text as `printable` shows it, newlines spelled out too, so that a name cannot pretend to be another line.

    >>> on_one_line("calm.png\nrough.png")
    'calm.png\\nrough.png'
    """
    return printable(text).replace("\n", "\\n")


@dataclass(frozen=True)
class _Column:
    """Column of a table; its header may be broken between words."""

    name: str
    cells: tuple[str, ...]
    breaks_header: bool = False

    @property
    def width(self) -> int:
        header = self.name.split() if self.breaks_header else [self.name]
        return max(map(_width, (*header, *self.cells)))

    def lines(self, n_header: int) -> list[str]:
        """The header in so many lines, a rule, a cell a row; all of one width."""
        is_number = bool(self.cells) and all(_NUMBER.fullmatch(cell) for cell in self.cells)
        header = self.header()
        above = [""] * (n_header - len(header))
        lines = (*above, *header, "-" * self.width, *self.cells)
        return [_padded(line, self.width, right=is_number) for line in lines]

    def header(self) -> list[str]:
        return wrapped(self.name, self.width)


def _total(columns: Sequence[_Column]) -> int:
    """Width of columns beside each other."""
    return sum(one.width for one in columns) + len(_GAP) * (len(columns) - 1)


def _blocks(columns: Sequence[_Column], width: int) -> list[list[_Column]]:
    """Columns that fit beside each other, the first one in every block; what fits nowhere stands alone beside it."""
    blocks: list[list[_Column]] = []
    for column in columns[1:]:
        if not blocks or _total([*blocks[-1], column]) > width:
            blocks.append([columns[0]])
        blocks[-1].append(column)
    return blocks or [list(columns)]


def _block_lines(columns: Sequence[_Column], width: int) -> list[str]:
    if len(columns) == 2 and _total(columns) > width:
        first, second = columns
        return fact_lines([(first.name, second.name), *zip(first.cells, second.cells, strict=True)], width)
    n_header = max(len(one.header()) for one in columns)
    return [_GAP.join(cells).rstrip() for cells in zip(*(one.lines(n_header) for one in columns), strict=True)]


def _width(text: str) -> int:
    """Columns of the terminal that a text takes: East Asian wide signs two, accents that join a letter none."""
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text
    )


def _padded(text: str, width: int, *, right: bool = False) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space
