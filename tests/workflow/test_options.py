"""Options: declared once, checked by their declarations, and in step with the rooms that take them."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Any

import pytest

from headstart.errors import InputError
from headstart.workflow.options.data import DataSource
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.learning_curve import CurveOptions
from headstart.workflow.options.option import Options, declared_options, option
from headstart.workflow.options.pretrain import PretrainOptions

DECLARING = (DataSource, FitOptions, CurveOptions, PretrainOptions)


@dataclass(frozen=True)
class Toy(Options):
    colour: str | None = field(default=None, metadata=option("Colour.", choices=("red", "green"), noun="paint"))
    n_dots: int = field(default=3, metadata=option("Dots.", at_least=1, at_most=2000))
    width: float | None = field(default=None, metadata=option("Width.", above=0, unit="pixels", unset="automatic"))
    free: float = field(default=0.0, metadata=option("Any number."))
    private: int = 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "rde"}, r"Unknown paint 'rde'. Did you mean 'red'\? Known: green, red."),
        ({"n_dots": 0}, "n_dots is 0; expected 1 to 2,000."),
        ({"n_dots": 2001}, "n_dots is 2001; expected 1 to 2,000."),
        ({"n_dots": "many"}, "n_dots is many; expected 1 to 2,000."),
        ({"n_dots": True}, "n_dots is True; expected 1 to 2,000."),
        ({"width": 0.0}, "width is 0; expected pixels, more than 0. Leave it out for: automatic."),
        ({"width": float("nan")}, "width is nan; expected pixels, more than 0."),
        ({"width": float("inf")}, "width is inf; expected pixels, more than 0."),
    ],
)
def test_values_are_checked_against_their_declaration(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        Toy(**change)


def test_values_in_range_and_none_are_taken() -> None:
    assert Toy(colour="red", n_dots=2000, width=0.5, free=-1e9).n_dots == 2000
    assert Toy(width=None) == Toy()


@pytest.mark.parametrize("declaring", DECLARING)
def test_every_field_is_an_option_with_its_help(declaring: type) -> None:
    assert is_dataclass(declaring)
    undeclared = {one.name for one in fields(declaring)} - {item.name for item in declared_options(declaring)}
    assert undeclared == ({"path"} if declaring is DataSource else set())
    for item in declared_options(declaring):
        assert item.option.help.endswith("."), item.name


@pytest.mark.parametrize("declaring", [FitOptions, CurveOptions])
def test_defaults_lie_within_their_own_declaration(declaring: type) -> None:
    made = declaring()
    for item in declared_options(declaring):
        assert item.default is MISSING or getattr(made, item.name) == item.default, item.name


def test_choices_are_those_of_the_rooms_that_take_them() -> None:
    """Declared without importing these rooms, since ``--help`` reads the declarations."""
    from headstart.data.images.decode import WHITE_LEVEL
    from headstart.decisions.calibration import CHOICES
    from headstart.engines.engine import MAX_BATCH, MAX_THREADS
    from headstart.heads.grids import GRID_NAMES

    found = {item.name: item.option for item in declared_options(FitOptions)}
    assert found["calibrate"].choices == CHOICES
    assert found["grid"].choices == GRID_NAMES
    assert (found["n_threads"].at_most, found["batch_size"].at_most) == (MAX_THREADS, MAX_BATCH)
    assert found["white_level"].at_most == FitOptions.white_level == WHITE_LEVEL


def test_the_identity_of_a_run_is_what_decides_its_results() -> None:
    plain = FitOptions().identity()
    assert set(plain) == {
        *("metric", "positive", "split", "repeats", "seed", "skip_unreadable", "leakage_tax", "n_views", "baselines"),
        "decisions",
    }
    tuned = FitOptions(strategy="fine-tune", fine_tuning={"epochs": 3}, budget=2.0).identity()
    assert {name: tuned[name] for name in set(tuned) - set(plain)} == {
        "strategy": "fine-tune",
        "unlock": None,
        "fine_tuning": {"epochs": 3},
        "budget": 2.0,
    }
    assert FitOptions(n_threads=2, cache=None, engine="torch").identity() == plain
