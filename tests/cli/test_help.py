"""Help in groups: the options that matter first, all of them on request, no line too wide, no word torn apart."""

from __future__ import annotations

import re
from typing import Any

import click
import pytest
from click.testing import CliRunner

from headstart.cli import main
from headstart.cli.options import options_of
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.learning_curve import CurveOptions
from headstart.workflow.options.option import GROUPS, declared_options
from headstart.workflow.options.pretrain import PretrainOptions

LONG = ("check", "fit", "curve", "pretrain", "evaluate", "backbones rank")


def text_of(*arguments: str, width: int = 80) -> str:
    found = CliRunner().invoke(main, [*arguments], terminal_width=width - 2)  # click leaves two columns free
    assert found.exit_code == 0
    return str(found.stdout)


def flags(text: str) -> list[str]:
    return re.findall(r"^  (?:-\w, )?(--[\w-]+)", text, re.MULTILINE)


def headings(text: str) -> list[str]:
    return re.findall(r"^(\w+):$", text, re.MULTILINE)


def test_fit_shows_ten_options_in_seven_groups_first() -> None:
    text = text_of("fit", "--help")
    assert headings(text) == [*GROUPS, "Help"]
    assert flags(text) == [
        "--group-from",
        "--folds",
        "--backbone",
        "--grid",
        "--metric",
        "--strategy",
        "--operating-point",
        "--offline",
        "--output",
        "--estimate",
        "--help-all",
        "--help",
    ]


@pytest.mark.parametrize("verb", LONG)
def test_help_all_shows_every_option_in_its_group(verb: str) -> None:
    command: Any = main
    for name in verb.split():
        command = command.get_command(click.Context(command), name)
    text = text_of(*verb.split(), "--help-all")
    expected = {flag for one in command.params if isinstance(one, click.Option) for flag in one.opts}
    assert {flag for flag in expected if flag.startswith("--")} <= set(re.findall(r"--[\w-]+", text))
    assert "Other" not in headings(text)
    assert set(flags(text_of(*verb.split(), "--help"))) < set(flags(text))


@pytest.mark.parametrize("declaring", [FitOptions, CurveOptions, PretrainOptions])
def test_every_declared_option_has_a_group(declaring: type) -> None:
    found = [part for item in declared_options(declaring) for part in (item.parts() if item.option.parts else [item])]
    assert {item.option.group for item in found} <= set(GROUPS)


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("verb", [*LONG, "predict", "cache prune", ""])
def test_no_line_is_wider_than_the_terminal(verb: str, width: int) -> None:
    for option in ("--help", "--help-all")[: 2 if verb in LONG else 1]:
        text = text_of(*verb.split(), option, width=width)
        assert max(map(len, text.splitlines())) <= width
        assert "\x1b" not in text


def test_names_and_flags_are_never_torn_apart() -> None:
    words = set(text_of("fit", "--help-all", width=60).replace("[", " ").replace("]", " ").split())
    assert {"efficientnet_lite0", "feature-extraction", "borderline-smote,", "epochs=20,mix=mixup"} <= words


def test_the_summaries_of_the_verbs_are_whole_at_80_columns() -> None:
    assert "..." not in text_of("--help").split("Commands:")[1]


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_version(flag: str) -> None:
    assert text_of(flag).startswith("headstart, version ")


def test_an_option_without_a_group_stands_under_a_heading_of_its_own() -> None:
    from headstart.cli.command import Command

    @click.command(cls=Command)
    @options_of(FitOptions)
    @click.option("--strange", is_flag=True, help="Be strange.")
    def toy(**given: Any) -> None: ...

    runner = CliRunner()
    assert "--strange" not in runner.invoke(toy, ["--help"]).output
    assert "\nOther:\n" in runner.invoke(toy, ["--help-all"]).output
