"""How objects show themselves in a notebook: a small table with a title, and perhaps pictures, as HTML."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL import Image

PICTURE_PX: Final = 96
"""Longer side of a picture in a notebook's table."""

_CELL: Final = "text-align:left;vertical-align:top;white-space:normal"


def html_card(title: str, rows: Mapping[str, object], pictures: Iterable[tuple[str, str]] = ()) -> str:
    """A table of two columns under a title; all words are escaped.

    Parameters
    ----------
    title : str
    rows : mapping of str to object
        What stands beside each name; nothing stands for None.
    pictures : iterable of (str, str)
        Data URIs and what stands under each.

    Returns
    -------
    str
        HTML that loads nothing from anywhere.

    Examples
    --------
    >>> html_card("a < b", {"n": 3, "not there": None})[:45]
    '<div><p><strong>a &lt; b</strong></p><table><'
    """
    cells = "".join(
        f'<tr><th style="{_CELL}">{escape(name)}</th><td style="{_CELL}">{escape(str(value))}</td></tr>'
        for name, value in rows.items()
        if value is not None
    )
    shown = "".join(
        f'<figure style="display:inline-block;margin:4px;max-width:100%"><img src="{escape(source)}" '
        f'alt="{escape(words)}"><figcaption style="overflow-wrap:anywhere">{escape(words)}</figcaption></figure>'
        for source, words in pictures
    )
    return f"<div><p><strong>{escape(title)}</strong></p><table><tbody>{cells}</tbody></table>{shown}</div>"


def png_uri(picture: Image.Image, *, side: int = PICTURE_PX) -> str:
    """A picture as a data URI, at most `side` pixels on its longer side, without its metadata."""
    small = picture.copy()
    small.thumbnail((side, side), reducing_gap=2.0)
    small.info.clear()
    kept = io.BytesIO()
    small.save(kept, format="PNG")
    return "data:image/png;base64," + base64.b64encode(kept.getvalue()).decode("ascii")
