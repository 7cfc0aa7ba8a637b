"""From sections to one HTML page that needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from headstart.report.document import Picture, Plot, Section
from headstart.report.figures.style import CSS_PIXELS_PER_INCH


def picture(plot: Plot, svg: bytes) -> Picture:
    """The plot with its SVG as a data URI; as an image it can neither run scripts nor clash with the page's ids."""
    source = "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")
    width = round(plot.figure.get_figwidth() * CSS_PIXELS_PER_INCH)
    return Picture(plot.name, source, width, plot.alt, plot.caption)


def render_page(
    title: str,
    sections: Sequence[Section],
    *,
    version: str,
    beside: str = "results.json and predictions.csv",
    figures: bool = True,
) -> str:
    """The whole page; every text is escaped, and its content policy forbids all but its own style sheet and scripts.

    `beside` names the files that hold its numbers; `figures` says whether its figures lie there as files, too.
    """
    page = _templates().get_template("report.html.j2")
    style, script = _inlined("report.css"), _inlined("page.js", "images.js", "threshold.js")
    return page.render(
        title=title,
        sections=sections,
        version=version,
        beside=beside,
        figures=figures,
        style=Markup(style),
        script=Markup(script),
        style_hash=_policy_hash(style),
        script_hash=_policy_hash(script),
    )


@cache
def _inlined(*names: str) -> str:
    """Files of the templates' folder as one text, which stands inside one element of the page."""
    folder = files("headstart.report") / "templates"
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)


def _policy_hash(content: str) -> str:
    """Hash by which a content policy knows a style sheet or a script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode("ascii")


@cache
def _templates() -> Environment:
    """The page's templates, compiled once for all pages of a process."""
    return Environment(
        loader=PackageLoader("headstart.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
