"""Options given by name, straight to a call: shared out to the dataclasses that declare them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import helpers
import numpy as np
import pytest

import headstart
from headstart import CurveOptions, FitOptions, ImageDataset, PretrainOptions, PretrainSettings
from headstart.cli.commands import COMMANDS
from headstart.errors import InputError
from headstart.workflow.check import check_data
from headstart.workflow.options.data import DataSource
from headstart.workflow.options.verbs import VERBS, GivenOptions, names_of_verb


def test_options_by_name_go_before_those_given_as_an_object() -> None:
    given = GivenOptions.of("fit", {"seed": 1, "grid": "wide"})
    assert given.options(FitOptions) == FitOptions(seed=1, grid="wide")
    assert given.options(FitOptions, FitOptions(seed=5, repeats=2)) == FitOptions(seed=1, grid="wide", repeats=2)
    unchanged = FitOptions()
    assert GivenOptions.of("fit", {}).options(FitOptions, unchanged) is unchanged


def test_each_name_finds_its_dataclass() -> None:
    given = GivenOptions.of("curve", {"folds": 3, "metric": "brier", "seed": 2, "label_column": "what"})
    assert given.options(CurveOptions) == CurveOptions(folds=3, metric="brier")
    assert given.options(FitOptions) == FitOptions(seed=2)
    assert given.data("x") == DataSource("x", columns={"label": "what"})


def test_shorthands_and_settings_are_named_as_on_the_command_line() -> None:
    assert GivenOptions.of("fit", {"folds": 3}).options(FitOptions) == FitOptions(split="nested:3x4")
    given = GivenOptions.of("pretrain", {"backbone": "resnet18", "epochs": 3, "views": 2})
    assert given.options(PretrainOptions) == PretrainOptions("resnet18", settings=PretrainSettings(epochs=3, views=2))
    before = PretrainOptions("vgg19", settings=PretrainSettings(batch_size=8))
    after = GivenOptions.of("pretrain", {"epochs": 3}).options(PretrainOptions, before)
    assert after == PretrainOptions("vgg19", settings=PretrainSettings(epochs=3, batch_size=8))
    columns = GivenOptions.of("fit", {"columns": {"image": "file"}, "label_column": "what"})
    assert columns.data("x") == DataSource("x", columns={"image": "file", "label": "what"})


@pytest.mark.parametrize(
    ("verb", "given", "message"),
    [
        ("fit", {"sed": 1}, r"Unknown option of fit 'sed'. Did you mean 'seed'\\?"),
        ("fit", {"n_threads": 1}, r"Unknown option of fit 'n_threads'. Did you mean 'threads'\\?"),
        ("curve", {"grid": "wide"}, "Unknown option of curve 'grid'"),
        ("fit", {"folds": 3, "split": "nested:3x4"}, "folds is short for split; give one of the two."),
        ("fit", {"folds": "3"}, "folds is '3'; expected a whole number, 2 or more."),
        ("fit", {"folds": 1}, "folds is 1; expected a whole number, 2 or more."),
        ("fit", {"seed": -1}, "seed is -1; expected 0 to 4,294,967,295."),
        ("pretrain", {"epochs": 3}, "backbone is missing: Network to train"),
    ],
)
def test_what_cannot_be_is_refused_in_words(verb: str, given: dict[str, Any], message: str) -> None:
    declaring = PretrainOptions if verb == "pretrain" else FitOptions
    with pytest.raises(InputError, match=f"^{message}"):
        GivenOptions.of(verb, given).options(declaring)


@pytest.mark.parametrize(
    "call",
    [
        lambda data, out: headstart.fit(data, out, sed=1),
        lambda data, out: headstart.curve(data, out, sed=1),
        lambda data, out: headstart.pretrain(data, out, sed=1),
        lambda data, out: headstart.rank_backbones(data, sed=1),
        lambda data, out: check_data(data, sed=1),
    ],
)
def test_every_call_refuses_an_unknown_name_and_writes_nothing(call: Any, folders: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^Unknown option of \w+ 'sed'\. "):
        call(folders, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_options_on_reading_are_refused_for_data_in_memory(tmp_path: Path) -> None:
    images = ImageDataset.from_arrays(np.zeros((4, 8, 8, 3), dtype=np.uint8), ["a", "a", "b", "b"])
    with pytest.raises(InputError, match="label_column says how files are read, but these data are in memory"):
        headstart.fit(images, tmp_path / "run", label_column="what")


def test_a_call_by_name_is_the_call_with_an_object(folders: Path, tmp_path: Path, no_figures: None) -> None:
    plain = helpers.options(study=None, split="nested:2x2")
    one = headstart.fit(folders, tmp_path / "one", replace(plain, grid="quick", seed=3))
    two = headstart.fit(folders, tmp_path / "two", plain, grid="quick", seed=3)
    assert one.results == two.results
    assert (one.folder / "predictions.csv").read_bytes() == (two.folder / "predictions.csv").read_bytes()


@pytest.mark.parametrize("verb", VERBS)
def test_every_name_is_an_option_of_the_command(verb: str) -> None:
    """What Python and files of options name is what the command line has, each way."""
    group, name = {"rank": ("backbones", "rank"), "signals": ("signals", "fit")}.get(verb, (verb, ""))
    command = COMMANDS[group].command
    command = command.commands[name] if isinstance(command, click.Group) else command
    options = {one.name for one in command.params if isinstance(one, click.Option)}
    of_the_call = {"output", "quiet", "estimate", "no_features", "no_cache", "config", "help_all", "json"}
    names = {
        named.item.parameter if named.shorthand is None else name
        for name, named in names_of_verb(verb).items()
        if not named.item.option.parts
    }
    assert names - options == set() and options - names <= of_the_call
