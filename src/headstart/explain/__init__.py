"""Explanations of single images: which places speak for a class, and against it.

For Python ``headstart.explain`` is this room, for a user it is a function; so the room can be called.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from headstart.explain.class_maps import explain
from headstart.explain.explanation import Explanation
from headstart.explain.methods import METHODS

__all__ = ["METHODS", "Explanation", "explain"]


class _CallableRoom(ModuleType):
    """A module that is also the function `explain`."""

    def __call__(self, *args: Any, **options: Any) -> Explanation:
        return explain(*args, **options)


sys.modules[__name__].__class__ = _CallableRoom
