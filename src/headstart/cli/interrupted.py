"""Words on Ctrl-C: whether the interrupted command keeps its work, and whether it goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from headstart.model import Model
    from headstart.workflow.options.machine import MachineOptions

_KEY: Final = "headstart.interrupted"
_KEPT_IN_RUN: Final = "what was finished is kept. The same command goes on from there."
_KEPT_IN_CACHE: Final = "Features computed so far are kept in the cache; the same command goes on from there."
_NOTHING_KEPT: Final = "The same command begins anew."


def when_interrupted(words: str | Callable[[], str]) -> None:
    """Name what is true when the command in hand is interrupted from here on; a callable is asked only then."""
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta[_KEY] = words


def work_is_kept() -> None:
    """Say of the command in hand that what it finished is kept, and found by the same command."""
    when_interrupted(f"Interrupted; {_KEPT_IN_RUN}")


def features_are_kept(machine: MachineOptions) -> None:
    """Say of the command in hand that it keeps features in the cache, where there is one, and nothing else."""
    when_interrupted(in_words("", keeps_features=machine.cache is not None))


def predictions_are_not(model: Model, wrote: str) -> None:
    """Say of the command in hand that it keeps at most the features that a model computed, and what of the rest."""
    when_interrupted(lambda: in_words(wrote, keeps_features=model.keeps_features))


def interrupted_words(context: click.Context) -> str:
    """Sentences for a user who interrupted a command."""
    words = context.meta.get(_KEY, f"Interrupted. {_NOTHING_KEPT}")
    return words if isinstance(words, str) else words()


def in_words(wrote: str, *, keeps_features: bool) -> str:
    """Sentences on the output, and on whether features are kept.

    >>> in_words("rows.csv was not written.", keeps_features=False)
    'Interrupted. rows.csv was not written. The same command begins anew.'
    """
    return " ".join(filter(None, ("Interrupted.", wrote, _KEPT_IN_CACHE if keeps_features else _NOTHING_KEPT)))
