"""``curve.json``: what was measured at every size, the law of it, and what more images would bring."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from headstart.results.models.base import Ends, Mass, Part, Positive
from headstart.results.models.run_file import RunFile, Upgrade
from headstart.results.models.sources import EngineRecord
from headstart.results.upgrade import names_of_format_1, upgrade_curve


class PowerLawFacts(Part):
    """The fitted law: its formula, asymptote `a`, mean exponent `c`, and the weight of every exponent tried."""

    form: str
    a: float
    c: float
    exponents: tuple[Mass, ...]


class CurvePoint(Part):
    """Score that the law expects at a number of training images, with its 90 % band."""

    n: Positive
    score: float
    band90: Ends


class ExpectedGain(Part):
    """Gain in score that the law expects, with its 90 % band."""

    value: float
    band90: Ends


class CurveVerdict(Part):
    """Expected gain of more images, in numbers and in one sentence; None for two points out of reach."""

    gain_at_three_times: ExpectedGain
    more_for_two_points: int | None
    kind: Literal["yes", "no", "unclear"]
    text: str


class CurveResults(RunFile):
    """A learning curve.

    Attributes
    ----------
    sizes : tuple of int
        Numbers of training images, rising.
    scores : tuple of tuple of float
        ``[draw][size]``; `mean` and `deviation_of_one` have one entry for every size.
    curve, asked : tuple of CurvePoint
        The law at even steps, and at the numbers of images that the user named.
    """

    file_name: ClassVar[str] = "curve.json"
    command: ClassVar[str] = "headstart curve DATA"
    upgrades: ClassVar = {1: Upgrade(upgrade_curve, names_of_format_1)}

    format: Literal[2]
    headstart: str
    classes: tuple[str, ...]
    source: str
    engine: EngineRecord
    n_folds: Positive
    seed: int
    data_sha256: str
    metric: str
    greater_is_better: bool
    n_images: Positive
    sizes: Annotated[tuple[Positive, ...], Field(min_length=1)]
    scores: Annotated[tuple[tuple[float, ...], ...], Field(min_length=1)]
    mean: tuple[float, ...]
    deviation_of_one: tuple[Mass, ...]
    law: PowerLawFacts
    curve: Annotated[tuple[CurvePoint, ...], Field(min_length=1)]
    asked: tuple[CurvePoint, ...]
    verdict: CurveVerdict

    @model_validator(mode="after")
    def _has_an_entry_for_every_size(self) -> Self:
        for problem in _problems(self):
            raise ValueError(problem)
        return self


def _problems(found: CurveResults) -> Iterator[str]:
    """Problems of lists that do not fit the sizes."""
    columns = {"mean": found.mean, "deviation_of_one": found.deviation_of_one}
    columns |= {f"scores[{draw}]": row for draw, row in enumerate(found.scores)}
    for name, column in columns.items():
        if len(column) != len(found.sizes):
            yield f"{name} should have one entry for every size"
    if found.curve[0].n > found.sizes[-1]:
        yield "curve should begin among the sizes"
