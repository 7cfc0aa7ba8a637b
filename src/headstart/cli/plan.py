"""Plans of fits: what would be done, and about how long that would take, the loading of the libraries included."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import click

from headstart.cli.answer import Answer

_KEY: Final = "headstart.start"


def note_start(context: click.Context) -> None:
    """Remember when the command began: before its libraries are loaded."""
    context.meta[_KEY] = time.perf_counter()


def planned(plan_of: Callable[[], dict[str, Any]]) -> Answer:
    """Answer of ``--estimate``; `plan_of` is called when all is loaded that the command needs beforehand.

    The fit itself will load the same libraries, so the seconds that this took are a step of the plan.
    """
    from headstart.cli.output import print_plan

    now = time.perf_counter()
    start_s = now - click.get_current_context().meta.get(_KEY, now)
    plan = plan_of()
    seconds = {"start": round(start_s, 1), **plan["seconds"]}
    plan = {**plan, "seconds": seconds, "total_minutes": round(sum(seconds.values()) / 60, 1)}
    return Answer(lambda: plan, lambda: print_plan(plan))
