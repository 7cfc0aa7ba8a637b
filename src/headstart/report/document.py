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
class Beware:
    """What weakens a result: pairs of a few words and the whole sentences, which are opened where they say more."""

    kind: ClassVar[str] = "beware"
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Verbatim:
    """Text to be copied as it stands: a paragraph for a paper (`prose`) or a command."""

    kind: ClassVar[str] = "verbatim"
    text: str
    label: str
    prose: bool = False


@dataclass(frozen=True)
class Link:
    """A page or file beside this one; `place` is its path from here."""

    text: str
    place: str


@dataclass(frozen=True)
class Links:
    """A list of links under one name."""

    kind: ClassVar[str] = "links"
    label: str
    items: tuple[Link, ...]


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


@dataclass(frozen=True)
class Mark:
    """A score on a scale; `low` and `high` are the ends of its interval, where it has one.

    `share`, `low_share` and `high_share` are the places of the three on the scale, from 0 to 1.
    """

    name: str
    words: str
    share: float
    low_share: float | None = None
    high_share: float | None = None
    is_run: bool = False


@dataclass(frozen=True)
class Scale:
    """Scores of one kind on one line: the run's with its interval, and those it is held against."""

    kind: ClassVar[str] = "scale"
    title: str
    marks: tuple[Mark, ...]
    first: str
    last: str
    note: str

    @property
    def alt(self) -> str:
        """The scale in words."""
        return f"{self.title}: {'; '.join(f'{mark.name} {mark.words}' for mark in self.marks)}"


@dataclass(frozen=True)
class Walls:
    """Several galleries side by side where the page is wide enough."""

    kind: ClassVar[str] = "walls"
    galleries: tuple[Gallery, ...]


@dataclass(frozen=True)
class ConfusionGrid:
    """A confusion matrix; `cells` are pairs of a count and a share of the row, both formatted.

    With `rest` the last class stands for several, so that its cell holds right and wrong ones.
    """

    kind: ClassVar[str] = "confusion"
    caption: str
    classes: tuple[str, ...]
    cells: tuple[tuple[tuple[str, str], ...], ...]
    rest: bool = False


@dataclass(frozen=True)
class Explorer:
    """All images to be filtered and looked at: a tool of the page, which needs JavaScript.

    Attributes
    ----------
    kind : str
        "explorer" for the gallery and the map; "threshold" for the threshold that a reader moves.
    data : str
        JSON without any ``<``.
    note : str
        What is shown, and what of it was sampled.
    """

    kind: str
    data: str
    note: str


Plain: TypeAlias = Text | Bullets | Beware | Verbatim | Links | ReportTable | FigureRow | Gallery | Headline | Scale
"""A block that holds no others."""


@dataclass(frozen=True)
class Sides:
    """Two columns where the page is wide enough."""

    kind: ClassVar[str] = "sides"
    left: tuple[Plain, ...]
    right: tuple[Plain, ...]


Block: TypeAlias = Plain | Walls | Sides | ConfusionGrid | Explorer


@dataclass(frozen=True)
class Section:
    """A headed part of the report; `anchor` is its HTML id, and a `folded` one shows its title until it is opened."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]
    folded: bool = False
