"""Options of ordered classes, and how a class is decided on where not every mistake is alike."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from headstart.errors import InputError
from headstart.workflow.options.option import Options, option

if TYPE_CHECKING:
    from headstart.decisions import ClassRule

Decide = Literal["most-probable", "expected"]


@dataclass(frozen=True)
class OrdinalOptions(Options):
    """Order of the classes, and the rule by which a class is decided on.

    Attributes
    ----------
    ordinal : str, sequence of str or None
        The classes from the lowest to the highest, separated by commas or as a list; or ``auto``, where their names say
        the order: numbers, Roman numerals, single letters. None: the classes have no order.
    decide : {"most-probable", "expected"}
        What is predicted: the most probable class, or the one nearest to the mean over ordered classes.
    costs : path or None
        CSV file of what each mistake costs; the class of the least expected cost is predicted then. None: every
        mistake is alike.
    """

    group: ClassVar[str] = "Decisions"

    ordinal: str | tuple[str, ...] | None = field(
        default=None,
        metadata=option(
            "Order of three classes or more, such as low,middle,high; auto: as their names say.",
            metavar="CLASS,CLASS,...",
            unset="no order",
            group="Data",
        ),
    )
    decide: Decide = field(
        default="most-probable",
        metadata=option(
            "Predict the most probable class, or the one nearest to the mean over ordered classes.",
            choices=get_args(Decide),
        ),
    )
    costs: str | os.PathLike[str] | None = field(
        default=None,
        metadata=option(
            "Predict the class of the least expected cost: a CSV file, a row for each true class, a column for each "
            "predicted one (docs/ordinal.md).",
            metavar="FILE",
            is_path=True,
            unset="every mistake is alike",
        ),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        from headstart.data.labels.order import check_requested

        if self.ordinal is not None:
            check_requested(self.ordinal)
        if self.decide == "expected" and self.costs is not None:
            raise InputError("--decide expected and --costs each decide on the class; give one of the two.")
        _ = self.class_rule

    def check_order(self) -> None:
        """Refuse a decision by the order of classes that have none; apart, as data may bring their order along.

        Raises
        ------
        InputError
        """
        if self.decide == "expected" and self.ordinal is None:
            raise InputError(
                "--decide expected takes the mean over ordered classes, but the classes have no order. Name it "
                "(--ordinal low,middle,high) where there are three or more, or leave --decide out."
            )

    @property
    def is_ordinal(self) -> bool:
        """Whether the classes have an order."""
        return self.ordinal is not None

    @property
    def class_rule(self) -> ClassRule | None:
        """The rule by which a class is decided on; None for the most probable.

        Raises
        ------
        InputError
            When the file of costs cannot be used.
        """
        from pathlib import Path

        from headstart.decisions import ClassRule, read_costs

        if self.costs is not None:
            return ClassRule("costs", read_costs(Path(self.costs)))
        return ClassRule("expected") if self.decide == "expected" else None

    def ordinal_identity(self) -> dict[str, Any]:
        """The order as the results depend on it; nothing where there is none."""
        if self.ordinal is None:
            return {}
        return {"ordinal": list(_named(self.ordinal))}


def _named(ordinal: str | Sequence[str]) -> Sequence[str]:
    from headstart.data.labels.order import names_in_order

    return names_in_order(ordinal)
