"""Options of a learning curve, checked once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from headstart.errors import InputError
from headstart.workflow.options.option import Options, metric_names, option


@dataclass(frozen=True)
class CurveOptions(Options):
    """Options of `curve` beside those of `FitOptions` for backbone, engine and cache.

    Attributes
    ----------
    metric : str
        Score of the curve; heads are chosen by log loss.
    sizes : int
        Number of sizes from the smallest to the whole training fold, rising by one factor.
    repeats : int
        Number of draws of folds and orders.
    folds : int
        Number of outer folds.
    at : tuple of int
        Numbers of training images to predict the score at.

    Raises
    ------
    InputError
        For an unknown metric or a number out of range.
    """

    group: ClassVar[str] = "Search"

    metric: str = field(
        default="balanced_accuracy",
        metadata=option(
            "Score of the curve; heads are chosen by log loss.", listed=metric_names, offered=metric_names, matters=True
        ),
    )
    sizes: int = field(
        default=8,
        metadata=option("Numbers of images, rising by one factor.", at_least=4, at_most=30),
    )
    repeats: int = field(default=5, metadata=option("Draws of folds and subsets.", at_least=2, at_most=100))
    folds: int = field(default=5, metadata=option("Outer folds.", at_least=2, at_most=20))
    at: tuple[int, ...] = field(
        default=(),
        metadata=option(
            "Predict the score after training on N images; may be given several times.",
            metavar="N",
            at_least=1,
            matters=True,
        ),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        from headstart.metrics import find_metric

        found = find_metric(self.metric)
        if not found.usable_for_selection:
            raise InputError(f"{found.title} has no learning curve of this form. Use log_loss or brier.")
