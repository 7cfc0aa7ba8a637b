"""Completion in fish of values that hold a comma, which click's own script cuts off at the first one."""

from __future__ import annotations

from typing import ClassVar

from click.shell_completion import FishComplete, add_completion_class

_CUTS, _KEEPS = 'string split ","', 'string split --max 1 ","'


class WholeValueFish(FishComplete):
    """fish, whose script takes all that follows the kind of a completion as its value."""

    source_template: ClassVar[str] = FishComplete.source_template.replace(_CUTS, _KEEPS)


def register_shells() -> None:
    """Make click complete with what stands here."""
    add_completion_class(WholeValueFish)
