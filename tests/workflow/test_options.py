"""Options: declared once, checked by their declarations, and in step with the rooms that take them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from headstart.errors import InputError
from headstart.finetuning import FineTuneSpec
from headstart.pretraining import PretrainSettings
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
        ({"n_dots": "many"}, "n_dots is 'many'; expected a whole number, 1 to 2,000."),
        ({"n_dots": True}, "n_dots is True; expected a whole number, 1 to 2,000."),
        ({"width": 0.0}, "width is 0; expected pixels, more than 0. Leave it out for: automatic."),
        ({"width": float("nan")}, "width is nan; expected pixels, more than 0."),
        ({"width": float("inf")}, "width is inf; expected pixels, more than 0."),
    ],
)
def test_values_are_checked_against_their_declaration(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        Toy(**change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resize": "sqash"}, r"Unknown resize 'sqash'. Did you mean 'squash'\?"),
        ({"engine": None}, "Unknown engine 'None'"),
        ({"image_kind": "micrgraph"}, r"Unknown image kind 'micrgraph'. Did you mean 'micrograph'\?"),
        ({"strategy": "fine-tune, scrach"}, r"Unknown strategy 'scrach'. Did you mean 'scratch'\?"),
        ({"seed": "1"}, "seed is '1'; expected a whole number, 0 to 4,294,967,295."),
        ({"seed": 1.5}, "seed is 1.5; expected a whole number"),
        ({"repeats": True}, "repeats is True; expected a whole number, 1 to 1,000."),
        ({"tta": "yes"}, "tta is 'yes'; expected True or False."),
        ({"baselines": "no"}, "baselines is 'no'; expected True or False."),
        ({"baselines": None}, "baselines is None; expected True or False."),
        ({"backbone": 3}, "backbone is 3; expected text. Leave it out for: efficientnet_lite0."),
        ({"conformal": "0.9"}, "conformal is '0.9'; expected a number."),
        ({"unlock": 1.5}, "unlock is 1.5; expected a whole number or text."),
        ({"cache": 7}, "cache is 7; expected a path."),
        ({"study": 3}, "study is 3; expected a path or an object of Space."),
        ({"fine_tuning": ["epochs"]}, r"fine_tuning is \['epochs'\]; expected text or a mapping."),
        ({"budget": "long"}, "--budget is 'long'; expected a number, minutes, more than 0."),
    ],
)
def test_options_of_a_fit_are_checked_when_made(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        FitOptions(**change)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CurveOptions(at=(0,)), "at is 0; expected 1 or more."),
        (lambda: CurveOptions(at=("many",)), r"at is \('many',\); expected a list, each a whole number, 1 or more."),
        (lambda: CurveOptions(at=500), "at is 500; expected a list"),
        (lambda: DataSource("x", classes="ab"), "classes is 'ab'; expected a list, each text. Leave it out for"),
        (lambda: DataSource("x", votes="majorty"), r"Unknown votes 'majorty'. Did you mean 'majority'\?"),
        (lambda: DataSource("x", columns={"lable": "y"}), r"Unknown key of columns 'lable'. Did you mean 'label'\?"),
        (lambda: DataSource(3), "The path of the data is 3; expected a folder"),
        (lambda: PretrainOptions("resnet18", settings={"epochs": 3}), "settings is .*; expected an object of Pretrain"),
        (lambda: PretrainSettings(epochs=2.5), "epochs is 2.5; expected a whole number, 1 to 10,000."),
        (lambda: PretrainSettings(warmup="much"), "warmup is 'much'; expected a number, 0 or more, and below 1."),
        (lambda: PretrainSettings(augment=None), "augment is None; expected the name of a policy"),
        (lambda: FineTuneSpec(start="pretraned"), r"Unknown start 'pretraned'. Did you mean 'pretrained'\?"),
    ],
)
def test_other_options_are_checked_when_made(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        make()


def test_paths_and_lists_are_taken_as_python_users_give_them() -> None:
    made = FitOptions(cache=Path("here"), weights=Path("w.safetensors"))
    assert (made.cache, made.weights) == ("here", "w.safetensors")
    assert DataSource(Path("x"), classes=["b", "a"], root=Path("y")) == DataSource("x", classes=("b", "a"), root="y")
    assert CurveOptions(at=[30]).at == (30,)


@pytest.mark.parametrize("declaring", [*DECLARING, FineTuneSpec])
def test_choices_agree_with_the_type_that_type_checkers_see(declaring: type) -> None:
    """A field of choices is a ``Literal`` of just these; a text that names several is checked by its parts."""
    hints = get_type_hints(declaring, localns={"Space": object, "os": os, "Mapping": Mapping})
    for one in fields(declaring):
        about = one.metadata.get("headstart.option")
        choices = one.metadata.get("choices") if about is None else () if about.several else about.choices
        named = [part for part in (hints[one.name], *get_args(hints[one.name])) if get_origin(part) is Literal]
        assert (get_args(named[0]) if named else ()) == tuple(choices or ()), one.name


@pytest.mark.parametrize("declaring", DECLARING)
def test_names_are_those_of_the_command_line(declaring: type[Options]) -> None:
    """But for flags that turn off what is on, and those of parts, which are named themselves."""
    for item in declared_options(declaring):
        for one in item.parts() if item.made_of is not None else (item,):
            assert one.flag.removeprefix("--no-").partition("/")[0].removeprefix("--") == one.name.replace("_", "-")


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
    from headstart.augment import KINDS
    from headstart.data.images.decode import WHITE_LEVEL
    from headstart.decisions.calibration import CHOICES
    from headstart.engines.engine import MAX_BATCH
    from headstart.features.engine_selection.request import LIBRARIES, PRECISIONS
    from headstart.heads.grids import GRID_NAMES
    from headstart.runtime.machine import MAX_THREADS

    found = {item.name: item.option for item in declared_options(FitOptions)}
    assert found["calibrate"].choices == CHOICES
    assert found["grid"].choices == GRID_NAMES
    assert set(found["image_kind"].choices) == set(KINDS)
    assert (found["engine"].choices, found["precision"].choices) == (LIBRARIES, PRECISIONS)
    assert (found["threads"].at_most, found["batch_size"].at_most) == (MAX_THREADS, MAX_BATCH)
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
    assert FitOptions(threads=2, cache=None, engine="torch").identity() == plain
