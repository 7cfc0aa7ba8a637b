"""`SimulatedAssay`: a plate of fields whose cells are drawn from two populations, at rising doses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from headstart.cells.simulation.field import FieldSettings, SimulatedField, draw_field
from headstart.errors import InputError

CLASSES: Final = ("living", "dead")
PIXEL_UM: Final = 0.65
DOSES_UM: Final = (0.0, 0.3, 1.0, 3.0, 10.0, 30.0)
HALF_DOSE_UM: Final = 4.0
LEAST_DEAD: Final = 0.08
MOST_DEAD: Final = 0.92
SPREAD: Final = 30.0  # of a field's share of dead cells around its dose's: a beta distribution of this sum
ROWS: Final = "BCDEFG"


@dataclass(frozen=True)
class SimulatedAssay:
    """A plate of wells, one row of wells for every dose.

    Attributes
    ----------
    n_micrographs : int
    n_cells : float
        Mean number of cells in a micrograph.
    side : int
        Side of a micrograph in pixels.
    seed : int
    """

    n_micrographs: int = 24
    n_cells: float = 16.6
    side: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_micrographs < 1 or self.n_cells <= 0 or not 64 <= self.side <= 20_000:
            raise InputError("A simulated assay needs a micrograph, cells, and a side of 64 to 20,000 pixels.")

    def name(self, number: int) -> str:
        """Name of a micrograph, which tells its well and field."""
        well, field = self.well(number), number // len(DOSES_UM) % 4 + 1
        return f"assay_{well}_f{field}.tif"

    def well(self, number: int) -> str:
        """Well of a micrograph: the row is the dose, the column a replicate of four fields."""
        return f"{ROWS[number % len(DOSES_UM)]}{number // (4 * len(DOSES_UM)) + 2:02d}"

    def dose_um(self, number: int) -> float:
        """Dose of a micrograph's well, micromolar."""
        return DOSES_UM[number % len(DOSES_UM)]

    def field(self, number: int) -> SimulatedField:
        """One micrograph; the same for the same seed, number and settings."""
        generator = np.random.default_rng([self.seed, number])
        share = share_dead(self.dose_um(number))
        dead = generator.beta(share * SPREAD, (1 - share) * SPREAD)
        return draw_field(generator, FieldSettings(self.side, max(1, generator.poisson(self.n_cells)), float(dead)))

    def fields(self) -> Iterator[SimulatedField]:
        """All micrographs."""
        return (self.field(number) for number in range(self.n_micrographs))


def share_dead(dose_um: float) -> float:
    """Mean share of dead cells at a dose.

    >>> round(share_dead(0.0), 2), round(share_dead(4.0), 2)
    (0.08, 0.5)
    """
    return LEAST_DEAD + (MOST_DEAD - LEAST_DEAD) * dose_um / (dose_um + HALF_DOSE_UM)


def oracle_classes(traits: NDArray[np.float64], share: float = 0.4) -> NDArray[np.bool_]:
    """Which cells the best rule that knows the populations calls dead, from the traits they were drawn with.

    No picture tells more than the traits, so its accuracy is a ceiling for every classifier of the pictures.

    Parameters
    ----------
    traits : ndarray of shape (n_cells, n_traits)
        As of `headstart.cells.simulation.field.SimulatedField`.
    share : float
        Share of dead cells.
    """
    from headstart.cells.simulation.field import DISTANCES

    evidence = traits @ np.array(list(DISTANCES.values()))
    return np.asarray(evidence + np.log(share / (1 - share)) > 0)
