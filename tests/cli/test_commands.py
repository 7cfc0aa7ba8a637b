"""Commands and options register themselves: one file a command, one field an option."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import click
import pytest
from click.testing import CliRunner

from headstart.cli import commands, main
from headstart.cli.options import collect, command_line, options_of
from headstart.errors import InputError
from headstart.workflow.options.data import DataSource
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.option import Options, Shorthand, option
from headstart.workflow.options.pretrain import PretrainOptions


@dataclass(frozen=True)
class Palette:
    red: int = 7
    hue: float = 0.5


@dataclass(frozen=True)
class ToyOptions(Options):
    name: str = field(metadata=option("Name of the toy.", metavar="NAME"))
    colour: str = field(default="red", metadata=option("Colour.", choices=("red", "green")))
    n_dots: int | None = field(default=None, metadata=option("Dots.", flag="--dots", at_least=1, unset="three"))
    weight: float = field(default=2.5, metadata=option("Weight in grams.", above=0, at_most=9))
    parts: tuple[str, ...] | None = field(default=None, metadata=option("Parts."))
    sizes: tuple[int, ...] = field(default=(), metadata=option("Sizes.", at_least=1))
    shiny: bool = field(default=False, metadata=option("Shiny."))
    noisy: bool = field(default=True, metadata=option("No noise.", flag="--no-noise"))
    box: str | None = field(
        default="wood", metadata=option("Box.", unset="wood", turned_off_by=("--no-box", "No box."))
    )
    rule: str = field(
        default="by 2", metadata=option("Rule.", shorthand=Shorthand("--times", "Short.", "by {}", at_least=2))
    )
    palette: Palette = field(
        default_factory=Palette,
        metadata=option("Palette.", parts={"red": option("Red.")["headstart.option"]}),
    )


@pytest.fixture
def toy() -> Iterator[list[ToyOptions]]:
    """A command registered from here, and the options that it was called with."""
    made: list[ToyOptions] = []

    @commands.register_command(order=15)
    @click.command()
    @options_of(ToyOptions)
    def toy(**given: Any) -> None:
        """Play with a toy."""
        made.append(collect(ToyOptions, given))
        assert given == {}

    yield made
    commands.COMMANDS.discard("toy")


def run(*arguments: str) -> str:
    return CliRunner().invoke(main, ["toy", *arguments]).output


def test_a_registered_command_is_in_the_help_at_its_place(toy: list[ToyOptions]) -> None:
    text = CliRunner().invoke(main, ["--help"]).output
    assert "Play with a toy." in text
    assert text.index("\n  check ") < text.index("\n  toy ") < text.index("\n  fit ")


def test_a_name_is_registered_once(toy: list[ToyOptions]) -> None:
    with pytest.raises(ValueError, match="a command 'toy' already"):
        commands.register_command(order=1)(click.Command("toy"))


def test_a_declared_option_is_in_the_help_with_effect_range_and_default(toy: list[ToyOptions]) -> None:
    text = " ".join(run("--help").split())
    for words in (
        "--name NAME Name of the toy. [required]",
        "--colour [red|green] Colour. [default: red]",
        "--dots INTEGER RANGE Dots. [default: three] [x>=1]",
        "--weight FLOAT RANGE Weight in grams. [default: 2.5; 0<x<=9]",
        "--no-noise No noise.",
        "--box TEXT Box. [default: wood] --no-box No box.",
        "--times INTEGER RANGE Short. [x>=2]",
        "--red INTEGER Red. [default: 7]",
    ):
        assert words in text


def test_what_is_left_out_is_the_default_of_the_field(toy: list[ToyOptions]) -> None:
    run("--name", "x")
    assert toy == [ToyOptions("x")]


def test_every_kind_of_option_reaches_its_field(toy: list[ToyOptions]) -> None:
    given = (
        "--name x --colour green --dots 4 --weight 9 --sizes 1 --sizes 2 --shiny --no-noise --red 3 --no-box --times 3"
    )
    run(*given.split(), "--parts", "a, b")
    expected = ToyOptions(
        *("x", "green", 4, 9.0, ("a", "b"), (1, 2)), True, False, box=None, rule="by 3", palette=Palette(red=3)
    )
    assert toy == [expected]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--box", "tin", "--no-box"], "--box and --no-box exclude each other; give one of the two."),
        (["--rule", "by 4", "--times", "3"], "--times is short for --rule by TIMES; give one of the two."),
        (["--dots", "0"], "0 is not in the range x>=1"),
        (["--colour", "blue"], "'blue' is not one of 'red', 'green'"),
    ],
)
def test_what_excludes_each_other_or_is_out_of_range_is_refused(
    given: list[str], message: str, toy: list[ToyOptions]
) -> None:
    assert message in run("--name", "x", *given)
    assert toy == []


def test_a_command_takes_the_options_it_names_with_words_of_its_own() -> None:
    @click.command()
    @options_of(FitOptions, "seed", "split", help="Mine.", shorthand=None)
    def mine(**given: Any) -> None: ...

    assert [one.name for one in mine.params] == ["seed", "split"]
    assert {one.help for one in mine.params if isinstance(one, click.Option)} == {"Mine."}


def test_the_columns_of_a_manifest_are_one_mapping() -> None:
    given = {"label_column": "what", "image_column": None, "classes": "b, a", "allow_outside": False, "other": 1}
    assert command_line(DataSource, given) == "--label-column what --classes 'b, a'"
    assert collect(DataSource, given, path="x") == DataSource("x", columns={"label": "what"}, classes=("b", "a"))
    assert given == {"other": 1}


def test_settings_of_a_pretraining_come_from_their_own_dataclass() -> None:
    options = collect(PretrainOptions, {"backbone": "resnet18", "epochs": 3, "views": 2, "weights": None})
    assert (options.settings.epochs, options.settings.views, options.settings.batch_size) == (3, 2, 64)
    with pytest.raises(InputError, match="epochs is 0"):
        collect(PretrainOptions, {"backbone": "resnet18", "epochs": 0})


@pytest.mark.parametrize("command", ["fit", "curve", "backbones rank", "check", "pretrain"])
def test_every_option_of_a_job_reaches_the_objects_it_is_made_of(command: str) -> None:
    found: Any = main
    for name in command.split():
        found = found.get_command(click.Context(found), name)
    defaults = {one.name: None for one in found.params}
    declaring: list[Any] = [PretrainOptions] if command == "pretrain" else [FitOptions]
    from headstart.workflow.options.learning_curve import CurveOptions

    given = {**defaults, "backbone": "resnet18"}
    collect(DataSource, given, path="x")
    for one in [CurveOptions, *declaring] if command == "curve" else declaring:
        collect(one, given)
    assert set(given) <= {"data", "output", "json", "help_all", "quiet", "estimate", "no_features", "config"}


@pytest.mark.parametrize("command", ["fit", "curve", "backbones rank", "check", "pretrain"])
def test_the_help_says_what_the_registered_readers_take(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.data.readers.accepted_data", lambda: "a stack of slides")
    assert "DATA is a stack of slides" in CliRunner().invoke(main, [*command.split(), "--help"]).output
