"""Options of the commands: made from what the dataclasses of `headstart.workflow.options` declare."""

from __future__ import annotations

import copy
import inspect
import shlex
from collections.abc import Callable, Iterator
from dataclasses import MISSING, replace
from typing import Any, TypeVar

import click

from headstart.cli.command import Command
from headstart.cli.command import Option as GroupedOption
from headstart.cli.config import apply_config, config_option
from headstart.errors import InputError
from headstart.workflow.options.option import Declared, declared_options, identifier

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
Decorator = Callable[[F], F]

quiet_option = click.option("-q", "--quiet", cls=GroupedOption, group="Output", is_flag=True, help="No progress bars.")


estimate_option = click.option(
    "--estimate",
    cls=GroupedOption,
    group="Output",
    matters=True,
    is_flag=True,
    help="Print the plan and what it costs, and do nothing.",
)

data_argument = click.argument("data", type=click.Path())


class DataCommand(Command):
    """A command on a data set, whose options may stand in a file too.

    ``{DATA}`` in its help becomes a clause on what can be read as a data set, and the file is named at its end.

    Parameters
    ----------
    *arguments, **about
        As for `Command`.
    section : str, optional
        Section of the file that it takes. Default: its own name.
    """

    def __init__(self, *arguments: Any, section: str | None = None, **about: Any) -> None:
        super().__init__(*arguments, **about)
        self._section = section
        self.params.append(config_option())

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Parse the command line over what a file of options says."""
        apply_config(self, self._section or str(self.name), context, args)
        return super().parse_args(context, args)

    def format_help_text(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help, the clause taken from the registered readers."""
        from headstart.data.readers import accepted_data

        said = copy.copy(self)
        file = "Options may stand in headstart.toml, or in a file of another name (--config FILE)."
        text = inspect.cleandoc(self.help or "").replace("{DATA}", f"DATA is {accepted_data()}")
        said.help = f"{text}\n\n{file}"
        Command.format_help_text(said, context, formatter)


def output_option(help: str) -> Decorator[Any]:
    """The option that names what is written."""
    about: dict[str, Any] = {"required": True, "type": click.Path(), "group": "Output", "matters": True}
    return click.option("-o", "--output", cls=GroupedOption, help=help, **about)


def options_of(declaring: type, *names: str, **changed: Any) -> Decorator[Any]:
    """Give a command the options that a dataclass declares, in their order.

    Parameters
    ----------
    declaring : type
        A dataclass of `headstart.workflow.options`.
    *names : str
        The fields to take; none: all.
    **changed
        Attributes of `Option` that differ for this command, such as its help.
    """

    def decorate(function: F) -> F:
        for item in reversed(_chosen(declaring, names)):
            changed_item = replace(item, option=replace(item.option, **changed))
            for decorator in reversed(list(_click_options(changed_item))):
                function = decorator(function)
        return function

    return decorate


def collect(declaring: type[T], given: dict[str, Any], **fixed: Any) -> T:
    """An object of options from the parameters of a command, which are taken out of `given`.

    Parameters
    ----------
    declaring : type
    given : dict
        Values by the parameters of the command; None for what was left out.
    **fixed
        Fields that are no options of the command.

    Raises
    ------
    InputError
        For two flags that exclude each other, or a value that cannot be used.
    """
    values = {}
    for item in declared_options(declaring):
        value = _taken(item, given)
        if value is not MISSING and value is not None:
            values[item.name] = None if value is _TURNED_OFF else value
    return declaring(**values, **fixed)


def command_line(declaring: type, given: dict[str, Any]) -> str:
    """The options of a dataclass as a user would write them again; empty for what was left out."""
    words: list[str] = []
    for item in declared_options(declaring):
        for one in item.parts() if item.option.parts else (item,):
            value = given.get(one.parameter)
            words += [] if value in (None, False) else [one.flag] if value is True else [one.flag, str(value)]
    return shlex.join(words)


def _chosen(declaring: type, names: tuple[str, ...]) -> list[Declared]:
    found = {item.name: item for item in declared_options(declaring)}
    return [found[name] for name in names or found]


# How a declaration becomes options of click ---------------------------------------------------------------------------


def _click_options(item: Declared) -> Iterator[Decorator[Any]]:
    about = item.option
    if about.parts:
        for part in item.parts():
            yield from _click_options(part)
        return
    yield _flag(item) if item.kind is bool else _valued(item)
    if about.turned_off_by is not None:
        name, words = about.turned_off_by
        yield click.option(name, cls=GroupedOption, group=about.group, is_flag=True, help=words)
    if about.shorthand is not None:
        short = about.shorthand
        grouped: dict[str, Any] = {"cls": GroupedOption, "group": about.group, "matters": short.matters}
        yield click.option(short.flag, type=click.IntRange(min=short.at_least), help=short.help, **grouped)


def _flag(item: Declared) -> Decorator[Any]:
    grouped: dict[str, Any] = {"cls": GroupedOption, "group": item.option.group, "matters": item.option.matters}
    if "/" in item.flag:
        return click.option(item.flag, default=item.default, show_default=True, help=item.option.help, **grouped)
    default = None if item.default is None else False
    return click.option(item.flag, is_flag=True, default=default, help=item.option.help, **grouped)


def _valued(item: Declared) -> Decorator[Any]:
    about = item.option
    several = item.is_list and item.kind is not str  # names are separated by commas, numbers given one by one
    is_open = item.default is MISSING or several or bool(about.unset) or about.turned_off_by is not None
    default = None if is_open else item.default
    shown = {name: getattr(about, name) for name in ("group", "matters", "listed", "offered", "several", "or_path")}
    if about.choices and about.several:
        shown["offered"] = lambda: about.choices
    return click.option(
        item.flag,
        cls=GroupedOption,
        type=_click_type(item),
        default=default,
        required=item.default is MISSING,
        multiple=several,
        show_default=default is not None,
        metavar=about.metavar,
        help=about.help + (f" [default: {about.unset}]" if about.unset else ""),
        **shown,
    )


def _click_type(item: Declared) -> Any:
    about = item.option
    if about.choices and not about.several:
        return click.Choice(about.choices)
    if about.is_path:
        return click.Path()
    if item.kind is str or not about.in_words():
        return item.kind
    low, opens = (about.at_least, False) if about.above is None else (about.above, True)
    high, closes = (about.at_most, False) if about.below is None else (about.below, True)
    if item.kind is int:
        return click.IntRange(_whole(low), _whole(high), min_open=opens, max_open=closes)
    return click.FloatRange(low, high, min_open=opens, max_open=closes)


def _whole(end: float | None) -> int | None:
    return None if end is None else int(end)


# How what was given becomes the value of a field ----------------------------------------------------------------------

_TURNED_OFF = object()


def _taken(item: Declared, given: dict[str, Any]) -> Any:
    """Value of an option, out of what was given; MISSING where the command has no such option."""
    about = item.option
    if about.parts:
        return _of_parts(item, given)
    value = given.pop(item.parameter, MISSING)
    if value is not MISSING:
        if item.kind is bool and item.flag.startswith("--no-"):
            value = not value
        elif item.is_list and isinstance(value, str):
            value = tuple(part.strip() for part in value.split(","))
        elif about.turned_off_by is not None:
            value = _unless_off(item, value, given)
        elif about.shorthand is not None:
            value = _spelled_out(item, value, given)
    return value


def _of_parts(item: Declared, given: dict[str, Any]) -> Any:
    values = {part.name: given.pop(part.parameter, None) for part in item.parts()}
    named = {name: value for name, value in values.items() if value is not None}
    if not named:
        return MISSING
    return named if item.made_of is None else item.made_of(**named)


def _unless_off(item: Declared, value: Any, given: dict[str, Any]) -> Any:
    off, _ = item.option.turned_off_by or ("", "")
    if not given.pop(identifier(off), False):
        return value
    if value is not None:
        raise InputError(f"{item.flag} and {off} exclude each other; give one of the two.")
    return _TURNED_OFF


def _spelled_out(item: Declared, value: Any, given: dict[str, Any]) -> Any:
    short = item.option.shorthand
    number = None if short is None else given.pop(short.parameter, None)
    if short is None or number is None:
        return value
    if value != item.default:
        name = short.flag.removeprefix("--").upper()
        raise InputError(f"{short.flag} is short for {item.flag} {short.pattern.format(name)}; give one of the two.")
    return short.pattern.format(number)
