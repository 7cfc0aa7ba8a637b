"""Sizes and options of the paper's three applications: chosen for 25 minutes on two cores, and written down."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

from headstart.results.models.paper import PaperSizes
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.signals import SignalOptions

SHIPPED: Final = "efficientnet_lite0"
"""The network whose weights a package ships."""


def _cell_heads() -> FitOptions:
    """The paper's grid of heads and its split, on the shipped network."""
    return FitOptions(backbone=SHIPPED, grid="paper", input_size=64, split="holdout:60/20/20")


def _windows() -> FitOptions:
    return FitOptions(
        backbone=SHIPPED, features="block4:rows", input_size=128, balance="none,smote", split="nested:4x3"
    )


@dataclass(frozen=True)
class PaperPlan:
    """What is run, and how large it is.

    Attributes
    ----------
    recordings, minutes, strength
        Of the simulated ring; see `headstart.signals.simulated_ring.Ring`. The strength is the one that was frozen for
        the benchmark of the ring (docs/signals.md).
    micrographs, counted_micrographs : int
        Of the simulated assay, and of a second plate whose cells are counted.
    seed : int
        Of all simulations.
    ring_windows, skab_windows : SignalOptions
        How recordings of the ring and of SKAB are cut.
    lesions, signals, cells : FitOptions
        What the shipped network is fitted with.
    """

    recordings: int = 24
    minutes: float = 60.0
    strength: float = 0.2
    micrographs: int = 369
    counted_micrographs: int = 6
    seed: int = 2020
    ring_windows: SignalOptions = field(
        default_factory=lambda: SignalOptions(
            window="60s", stride="30s", reference="300s", label_rule="majority", image="level"
        )
    )
    skab_windows: SignalOptions = field(
        default_factory=lambda: SignalOptions(window="60s", stride="10s", reference="120s", image="level")
    )
    lesions: FitOptions = field(default_factory=lambda: FitOptions(backbone=SHIPPED))
    signals: FitOptions = field(default_factory=_windows)
    cells: FitOptions = field(default_factory=_cell_heads)

    def sizes(self) -> PaperSizes:
        """Sizes of what is simulated, as ``paper.json`` has them."""
        names = ("recordings", "minutes", "strength", "micrographs", "counted_micrographs", "seed")
        return PaperSizes(**{name: getattr(self, name) for name in names})

    def on(self, machine: dict[str, Any]) -> PaperPlan:
        """The same plan with options of the machine, such as threads, in every fit."""
        fits = {name: replace(getattr(self, name), **machine) for name in ("lesions", "signals", "cells")}
        return replace(self, **fits)
