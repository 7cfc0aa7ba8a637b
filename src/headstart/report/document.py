"""Parts of a report: sections of text, tables, plots and pictures, still without any HTML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from matplotlib.figure import Figure


@dataclass(frozen=True)
class Text:
    """One paragraph; a `tone` of "note" sets it smaller, "warning" puts it in a box, "good" in a calm one."""

    kind: ClassVar[str] = "text"
    text: str
    tone: str = "plain"


@dataclass(frozen=True)
class Bullets:
    """A list of short statements."""

    kind: ClassVar[str] = "bullets"
    items: tuple[str, ...]
    tone: str = "plain"


@dataclass(frozen=True)
class Verbatim:
    """Text to be copied as it stands: a paragraph for a paper (`prose`) or a command."""

    kind: ClassVar[str] = "verbatim"
    text: str
    label: str
    prose: bool = False


@dataclass(frozen=True)
class ReportTable:
    """Cells already formatted; the first cell of every row heads the row.

    Parameters
    ----------
    caption : str
        What the table shows, in one line.
    columns : tuple of str
        Column headings.
    rows : tuple of tuple of str
        Each as long as `columns`.
    text_columns : frozenset of int
        Columns that hold words (aligned left) rather than numbers (aligned right); the first always does.
    """

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Plot:
    """A figure, the words that stand in for it where it cannot be seen, and its caption.

    `name` is the stem of the files under ``figures/``.
    """

    name: str
    figure: Figure
    alt: str
    caption: str


@dataclass(frozen=True)
class Picture:
    """A rendered plot: `source` is a data URI, `width` the preferred width in CSS pixels."""

    name: str
    source: str
    width: int
    alt: str
    caption: str


@dataclass(frozen=True)
class FigureRow:
    """Plots that belong together, and perhaps a table of their numbers; side by side where the page is wide enough."""

    kind: ClassVar[str] = "pictures"
    items: tuple[Picture, ...]
    beside: ReportTable | None = None


@dataclass(frozen=True)
class Tile:
    """One image of the gallery: its data URI (or None), title and lines of text."""

    source: str | None
    title: str
    alt: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Gallery:
    """A wall of images under one heading, `wide` ones with room for two pictures side by side in each."""

    kind: ClassVar[str] = "gallery"
    heading: str
    tiles: tuple[Tile, ...]
    wide: bool = False


@dataclass(frozen=True)
class Headline:
    """The one number, with its interval and what the interval speaks of."""

    kind: ClassVar[str] = "headline"
    sentence: str
    metric: str
    value: str
    interval: str
    speaks_of: str


Block: TypeAlias = Text | Bullets | Verbatim | ReportTable | FigureRow | Gallery | Headline


@dataclass(frozen=True)
class Section:
    """A headed part of the report; `anchor` is its HTML id."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]
