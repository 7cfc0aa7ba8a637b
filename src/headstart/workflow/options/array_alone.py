"""Checks of features ``array``: the user's own array alone, without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.backbones.feature_block import ARRAY
from headstart.errors import InputError

if TYPE_CHECKING:
    from headstart.study.search.space import Space
    from headstart.workflow.options.fit import FitOptions


def takes_array_alone(space: Space) -> bool:
    """Whether the heads of a space see the user's own array and nothing of the pictures."""
    return any(source.features == ARRAY for source in space.sources)


def check_array_alone(options: FitOptions, space: Space) -> None:
    """Refuse beside features ``array`` what they cannot compete with, and options of a network or of pictures.

    Raises
    ------
    InputError
    """
    if not takes_array_alone(space):
        return
    from headstart.workflow.options.finetuning import requested_specs

    if len(space.sources) > 1:
        raise InputError(
            f"Features {ARRAY} open no network, and compete with no other source: a network's features have the array "
            f"beside them in any case. Name {ARRAY} alone; two runs and `headstart compare` say what the pictures add."
        )
    source = space.sources[0]
    for flag, is_given in (
        (f"--strategy {options.strategy}", bool(requested_specs(options))),
        ("--backbone", source.backbone is not None),
        ("--weights", options.weights is not None or source.weights is not None),
        ("--augment", any(one.augment != "none" for one in space.training_sets)),
        ("--normalise training", options.normalise == "training"),
        ("--precision", options.precision != "auto"),
        ("--engine", options.engine != "auto"),
        ("--novelty", options.novelty is not None),
    ):
        if is_given:
            raise InputError(
                f"{flag} with features {ARRAY}: heads see the array alone, no network is opened and nothing of the "
                f"pictures is computed. Leave {flag.split()[0]} out, or name the features of a network, such as multi; "
                "the array stands beside them."
            )
