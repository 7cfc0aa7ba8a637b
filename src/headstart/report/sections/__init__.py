"""The sections of a report, one file each.

A file in this folder registers its section with `register_section`: where it stands, its blocks, its figures and its
sentences of the methods paragraph. Nothing else is edited for a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from headstart.report.context import ReportContext
from headstart.report.document import FigureRow, Picture, Plot, Section
from headstart.report.text.methods import MethodsSentence
from headstart.runtime.registry import Registry

Drawn: TypeAlias = Mapping[str, Picture]
"""The figures of a report by their names."""

Builder: TypeAlias = Callable[[ReportContext, Drawn], Section | None]


def _nothing(context: ReportContext) -> tuple[()]:
    return ()


@dataclass(frozen=True)
class SectionSpec:
    """A section that a report can have.

    Attributes
    ----------
    anchor : str
        Its name, and its HTML id.
    after : str or None
        Anchor of the section before it; None: the first of the page.
    build : callable
        From the run and the figures drawn to the section; None where the run has nothing to tell.
    plots : callable
        The figures that the section needs; they are drawn before it is built.
    methods : callable
        What the methods paragraph says of it.
    """

    anchor: str
    after: str | None
    build: Builder
    plots: Callable[[ReportContext], Iterable[Plot]] = _nothing
    methods: Callable[[ReportContext], Iterable[MethodsSentence]] = _nothing


SECTIONS: Registry[SectionSpec] = Registry("section", __name__, order=lambda spec: Registry.place(__name__, spec.build))
"""Every registered section by its anchor."""


def register_section(
    anchor: str,
    *,
    after: str | None,
    plots: Callable[[ReportContext], Iterable[Plot]] = _nothing,
    methods: Callable[[ReportContext], Iterable[MethodsSentence]] = _nothing,
) -> Callable[[Builder], Builder]:
    """Decorator that makes a function the builder of a section; parameters as in `SectionSpec`.

    Raises
    ------
    ValueError
        When another section has the anchor.
    """

    def register(build: Builder) -> Builder:
        SECTIONS.add(anchor, SectionSpec(anchor, after, build, plots, methods))
        return build

    return register


def ordered_sections() -> tuple[SectionSpec, ...]:
    """All sections in the order of the page; of several after the same one, the last registered comes first.

    Raises
    ------
    ValueError
        When a section is to stand after one that does not exist.
    """
    ordered = tuple(_following(None))
    lost = set(SECTIONS) - {spec.anchor for spec in ordered}
    if lost:
        places = "; ".join(f"{anchor!r} after {SECTIONS[anchor].after!r}" for anchor in sorted(lost))
        raise ValueError(f"Sections that no place was found for: {places}. The anchors are {', '.join(SECTIONS)}.")
    return ordered


def _following(after: str | None) -> Iterator[SectionSpec]:
    for spec in reversed([spec for spec in SECTIONS.values() if spec.after == after]):
        yield spec
        yield from _following(spec.anchor)


def figure_row(drawn: Drawn, *names: str) -> tuple[FigureRow, ...]:
    """The figures of these names that were drawn, side by side as one block; nothing when there are none."""
    items = tuple(drawn[name] for name in names if name in drawn)
    return (FigureRow(items),) if items else ()
