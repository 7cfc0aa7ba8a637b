"""`SignalRecipe`: everything by which recordings become pictures, so that new ones can be shown in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headstart.errors import DataError, InputError, unknown_name
from headstart.signals.choices import GAP_POLICIES, LABEL_RULES, STANDARDISING, GapPolicy, LabelRule, Standardising
from headstart.signals.imaging import IMAGINGS

VERSION: Final = 1
RECIPE_FILE: Final = "signals.json"
"""How a model's recordings become pictures, beside the model and in its run."""


@dataclass(frozen=True, kw_only=True)
class SignalRecipe:
    """From recordings to pictures, in samples of one rate.

    Attributes
    ----------
    channels : tuple of str
        In the order in which pictures show them.
    period_s : float
        Seconds from one sample to the next.
    length, stride : int
        Samples in a window, and from the start of one to that of the next.
    reference : int
        Samples of the reference stretch at the start of every recording; 0 for none.
    standardise : {"reference", "robust", "window", "training"}
        See `headstart.signals.standardise`.
    image : str
        Name in `headstart.signals.imaging.IMAGINGS`.
    statistics : bool
        Whether statistics of every channel stand beside the picture as table columns.
    rule : {"any", "majority", "centre"}
        How a window took its class from its samples.
    gaps : {"skip", "fill", "refuse"}
    """

    channels: tuple[str, ...]
    period_s: float
    length: int
    stride: int
    reference: int
    standardise: Standardising
    image: str = "level"
    statistics: bool = False
    rule: LabelRule = "any"
    gaps: GapPolicy = "skip"

    def __post_init__(self) -> None:
        for noun, value, known in (
            ("standardising", self.standardise, STANDARDISING),
            ("imaging", self.image, IMAGINGS),
            ("label rule", self.rule, LABEL_RULES),
            ("gap policy", self.gaps, GAP_POLICIES),
        ):
            if value not in known:
                raise InputError(unknown_name(noun, value, known))

    @property
    def window_s(self) -> float:
        """Seconds of a window."""
        return self.length * self.period_s

    def pictures(self, standardised: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Pictures (n, height, width, 3) of standardised windows (n, length, n_channels)."""
        return IMAGINGS[self.image].render(standardised, self.period_s)

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary."""
        return {"version": VERSION, **asdict(self), "channels": list(self.channels)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], *, source: str = "The recipe of the signals") -> SignalRecipe:
        """The recipe that `to_json` wrote.

        Raises
        ------
        DataError
            When it is damaged or of a newer version.
        """
        try:
            version, given = int(value["version"]), {name: it for name, it in value.items() if name != "version"}
            if version > VERSION:
                raise DataError(
                    f"{source} is of version {version}; this headstart knows up to {VERSION}. Install a newer one."
                )
            return cls(**{**given, "channels": tuple(str(name) for name in given["channels"])})
        except (KeyError, TypeError, ValueError, InputError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{source} is damaged ({error!r}); fit the model again.") from error
