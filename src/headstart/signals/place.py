"""Where recordings lie and how they were read, as plain JSON, so that a report finds its windows again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import DataError
from headstart.signals.readers.format import RecordingFormat

if TYPE_CHECKING:
    from headstart.signals.recipe import SignalRecipe
    from headstart.signals.windows import Windowing


def place_of(
    path: str | os.PathLike[str],
    how: Windowing,
    recipe: SignalRecipe,
    *,
    intervals: str | os.PathLike[str] | None,
    form: RecordingFormat | None,
) -> dict[str, Any]:
    """Path of recordings, and what `headstart.signals.read` makes the same windows of them by."""
    spans = {"random_start": how.random_start, "purge": how.purge}
    reading = {
        "window": recipe.length,
        "stride": recipe.stride,
        "reference": recipe.reference,
        "standardise": recipe.standardise,
        "image": recipe.image,
        "rule": recipe.rule,
        "gaps": recipe.gaps,
        "parts": how.parts,
        "seed": how.seed,
        "intervals": None if intervals is None else str(Path(intervals).resolve()),
        "form": asdict(form or RecordingFormat()),
        **{name: None if span is None else span.samples(recipe.period_s) for name, span in spans.items()},
    }
    return {"recordings": str(Path(path).resolve()), "reading": reading}


def reading_of(location: object) -> tuple[str, dict[str, Any]] | None:
    """Path and keywords of `headstart.signals.read` by a location; None where it is none of recordings.

    Raises
    ------
    DataError
        When it is damaged.
    """
    if not isinstance(location, Mapping) or set(location) != {"recordings", "reading"}:
        return None
    try:
        form = dict(location["reading"]["form"])
        channels = None if form["channels"] is None else tuple(form["channels"])
        given = {**location["reading"], "form": RecordingFormat(**{**form, "channels": channels})}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"The run does not say how its recordings were read ({error!r}).") from error
    return str(location["recordings"]), given
