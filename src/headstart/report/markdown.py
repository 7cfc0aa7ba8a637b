"""From sections to Markdown as GitHub and Pandoc read it; figures are linked from the folder ``figures``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from headstart.report.document import (
    Beware,
    Bullets,
    ConfusionGrid,
    Explorer,
    FigureRow,
    Gallery,
    Headline,
    Links,
    ReportTable,
    Scale,
    Section,
    Sides,
    Text,
    Verbatim,
    Walls,
)
from headstart.report.locale.messages import tr

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#|~$&!])")
_STARTS_A_LIST: Final = re.compile(r"^(\s*\d*)([-+.)=])(?=\s|$)")


def render_markdown(title: str, sections: Sequence[Section], *, version: str) -> str:
    """All sections one after the other, every text escaped.

    Tools that need JavaScript have no place here; images of a gallery are told by name, their pictures stand in the
    page.

    Parameters
    ----------
    title : str
    sections : sequence of Section
    version : str
        Of headstart, for the last line.
    """
    written = [f"# {_escaped(title)}"]
    for section in sections:
        written.append(f"## {_escaped(section.title)}")
        written += [part for block in section.blocks for part in _block(block)]
    written.append(
        _escaped(
            tr(
                "Written by headstart {version}. The numbers lie beside this file in results.json and predictions.csv, "
                "its figures in figures/; what moves, and pictures of single images where they may be shown, are in "
                "report.html.",
                version=version,
            )
        )
    )
    return "\n\n".join(written) + "\n"


def _escaped(text: str) -> str:
    """One line of text that shows as it is."""
    return _STARTS_A_LIST.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", " ".join(text.split())))


def _text(block: Text) -> Iterator[str]:
    words = _escaped(block.text)
    yield f"> **{_escaped(tr('Note:'))}** {words}" if block.tone == "warning" else words


def _bullets(block: Bullets) -> Iterator[str]:
    yield _items(_escaped(item) for item in block.items)


def _beware(block: Beware) -> Iterator[str]:
    yield _items(_escaped(whole) for _, whole in block.items)


def _items(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _verbatim(block: Verbatim) -> Iterator[str]:
    if block.prose:
        yield _escaped(block.text)
        return
    longest = max((len(run) for run in re.findall("`+", block.text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}\n{block.text}\n{fence}"


def _links(block: Links) -> Iterator[str]:
    yield f"{_escaped(block.label)}:"
    yield _items(f"[{_escaped(item.text)}](<{item.place}>)" for item in block.items)


def _table(block: ReportTable) -> Iterator[str]:
    words = {0, *block.text_columns}
    yield f"**{_escaped(block.caption)}**"
    yield _grid(block.columns, block.rows, [number in words for number in range(len(block.columns))])


def _grid(columns: Sequence[str], rows: Iterable[Sequence[str]], is_words: Sequence[bool]) -> str:
    """A table; columns of words are aligned left, those of numbers right."""
    rule = "|".join(" :-- " if words else " --: " for words in is_words)
    lines = (f"| {' | '.join(_escaped(cell) for cell in row)} |" for row in rows)
    return "\n".join([f"| {' | '.join(map(_escaped, columns))} |", f"|{rule}|", *lines])


def _pictures(block: FigureRow) -> Iterator[str]:
    for item in block.items:
        yield f"![{_escaped(item.alt)}](figures/{item.name}.png)"
        yield f"*{_escaped(item.caption)}*"
    if block.beside is not None:
        yield from _table(block.beside)


def _gallery(block: Gallery) -> Iterator[str]:
    yield f"### {_escaped(block.heading)}"
    if block.tiles:
        yield _items(_escaped(": ".join((tile.title, "; ".join(tile.lines)))) for tile in block.tiles)


def _headline(block: Headline) -> Iterator[str]:
    interval = tr("(95 % interval {interval})", interval=block.interval)
    yield f"**{_escaped(f'{block.metric}: {block.value}')}** {_escaped(interval)}"
    yield _escaped(block.sentence)
    yield _escaped(tr("The interval speaks of {speaks_of}.", speaks_of=block.speaks_of))


def _scale(block: Scale) -> Iterator[str]:
    yield f"{_escaped(block.title)}:"
    yield _items(_escaped(f"{mark.name}: {mark.words}") for mark in block.marks)
    yield _escaped(block.note)


def _sides(block: Sides) -> Iterator[str]:
    for one in (*block.left, *block.right):
        yield from _block(one)


def _walls(block: Walls) -> Iterator[str]:
    for one in block.galleries:
        yield from _gallery(one)


def _confusion(block: ConfusionGrid) -> Iterator[str]:
    yield f"**{_escaped(block.caption)}**"
    rows = (
        (name, *(f"{count} ({share})" for count, share in row))
        for name, row in zip(block.classes, block.cells, strict=True)
    )
    yield _grid((tr("True class"), *block.classes), rows, [True, *(False for _ in block.classes)])


def _tool(block: Explorer) -> Iterator[str]:
    """Nothing: what moves is the page's."""
    return iter(())


_WRITERS: Final[dict[type, Callable[[Any], Iterator[str]]]] = {
    Text: _text,
    Bullets: _bullets,
    Beware: _beware,
    Verbatim: _verbatim,
    Links: _links,
    ReportTable: _table,
    FigureRow: _pictures,
    Gallery: _gallery,
    Headline: _headline,
    Scale: _scale,
    Sides: _sides,
    Walls: _walls,
    ConfusionGrid: _confusion,
    Explorer: _tool,
}


def _block(block: Any) -> Iterator[str]:
    return _WRITERS[type(block)](block)
