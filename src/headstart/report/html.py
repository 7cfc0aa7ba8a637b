"""From sections to one HTML page that needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from headstart.report.document import Picture, Plot, Section
from headstart.report.explorer import as_json
from headstart.report.figures.style import CSS_PIXELS_PER_INCH
from headstart.report.locale.messages import mark, spoken, tr

SCRIPTS: Final = ("words.js", "page.js", "images.js", "threshold.js")
"""Scripts of the page, in the templates' folder."""
SVG_AND_PNG: Final = mark("SVG and PNG")
_SAID: Final = re.compile(r'\bsay\(\s*"([^"\\]+)"')


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
    beside: str | None = None,
    figures: str = SVG_AND_PNG,
) -> str:
    """The whole page; every text is escaped, and its content policy forbids all but its own style sheet and scripts.

    `beside` names the files that hold its numbers, those of a run where it is None; `figures` the formats in which its
    figures lie there, as words marked for translation; empty where they do not.
    """
    page = _templates().get_template("report.html.j2")
    style, script = _inlined("report.css"), _inlined(*SCRIPTS)
    return page.render(
        language=spoken().html_code,
        words=Markup(_script_words()),
        title=title,
        sections=sections,
        version=version,
        beside=tr("results.json and predictions.csv") if beside is None else beside,
        figures=tr(figures),
        style=Markup(style),
        script=Markup(script),
        style_hash=_policy_hash(style),
        script_hash=_policy_hash(script),
    )


def script_messages() -> tuple[str, ...]:
    """Every message of the page's script, in English."""
    return tuple(dict.fromkeys(_SAID.findall(_inlined(*SCRIPTS))))


def _script_words() -> str:
    """Translations of the script's messages as JSON; empty where the language has none of its own."""
    words = {message: tr(message) for message in script_messages()}
    translated = {message: told for message, told in words.items() if told != message}
    return as_json(translated) if translated else ""


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
    environment = Environment(
        loader=PackageLoader("headstart.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["tr"] = tr
    return environment
