"""A document with one place changed, the rest shared with the whole one."""

from __future__ import annotations

import copy
from typing import Any


def changed(document: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The document with another value in one place; Ellipsis removes what is there."""
    new = dict(document)
    holder: Any = new
    for step in path[:-1]:
        holder[step] = copy.copy(holder[step])
        holder = holder[step]
    if value is ...:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return new
