"""`--config`, and the headstart.toml of the current folder: what they say becomes the defaults of a command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from headstart.cli.command import Option
from headstart.cli.table import print_line

_CONFIG_FILE: Final = "headstart.toml"
_META: Final = "headstart.request"


def config_option() -> click.Option:
    """The option that names a file of options."""
    default = "headstart.toml of the current folder, unless that is the data's; docs/config.md"
    about: dict[str, Any] = {"type": click.Path(), "metavar": "FILE", "expose_value": False}
    return Option(["--config"], group="Machine", help=f"File of options. [default: {default}]", **about)


def apply_config(command: click.Command, verb: str, context: click.Context, words: Sequence[str]) -> None:
    """Take the defaults of a command from its file of options, if there is one, and note what was asked for.

    Parameters
    ----------
    command : click.Command
    verb : str
        Whose section of the file it takes.
    context : click.Context
        Of this call; gets the defaults.
    words : sequence of str
        What the user gave after the command's name.

    Raises
    ------
    InputError
        When the file cannot be used.
    """
    if context.resilient_parsing:  # completion
        return
    given, _, _ = command.make_parser(context).parse_args(args=list(words))
    asks_for_help = command.get_help_option(context)
    if given.get("help_all") or (asks_for_help is not None and given.get(asks_for_help.name or "")):
        return
    path = _chosen(given)
    content: Mapping[str, Any] = {}
    if path is not None:
        from headstart.workflow.options.config import read_config

        config = read_config(path)
        content = config.content
        context.default_map = _defaults(command, verb, config, given)
        if context.default_map:
            print_line(f"Options from {path}: {', '.join(sorted(context.default_map))}.", err=True)
    context.meta[_META] = (("headstart", *_command_names(context), *words), content)


def run_request() -> Any:
    """Request of the command at hand, as a run records it."""
    from headstart.study.execution.run_request import RunRequest

    words, content = click.get_current_context().meta[_META]
    return RunRequest(words, content)


def _command_names(context: click.Context) -> tuple[str, ...]:
    """Names of the command at hand and the groups above it, without the program's."""
    parent = context.parent
    return () if parent is None else (*_command_names(parent), str(context.info_name))


def _chosen(given: Mapping[str, Any]) -> Path | None:
    """The file that is named, else that of the current folder, unless the data lie in that folder too."""
    if isinstance(named := given.get("config"), str):
        return Path(named)
    path = Path(_CONFIG_FILE)
    try:
        if not path.is_file():
            return None
        named_data = [Path(one) for parameter in ("data", "root") if isinstance(one := given.get(parameter), str)]
        if any(_lies_in_data(path, data) for data in named_data):
            print_line(
                f"{path} lies in the folder of the data, so it is not used: whoever made the data may have written it. "
                f"To use it, name it: --config {path}",
                err=True,
            )
            return None
    except (OSError, ValueError):  # a folder that may not be looked into
        return None
    return path


def _lies_in_data(path: Path, data: Path) -> bool:
    """Whether a file lies in the folder of the data, be it in that of a link to them or in that the link leads to."""
    folders = {data.resolve()} if data.is_dir() else {data.resolve().parent, data.parent.resolve()}
    return any(path.resolve().is_relative_to(folder) for folder in folders)


def _defaults(command: click.Command, verb: str, config: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the file by the parameters that the command has, less those that the command line gives."""
    from headstart.workflow.options.config import names_networks, without_overridden
    from headstart.workflow.options.verbs import names_of_verb

    known = names_of_verb(verb)
    said = {name: given[parameter] for name, named in known.items() if (parameter := named.parameter(name)) in given}
    values = without_overridden(verb, config.of_verb(verb), said)
    found: dict[str, Any] = {"offline": True} if names_networks(config, values) and "offline" in known else {}
    for name, value in values.items():
        found |= {one: content for one, content in known[name].on_command_line(name, value) if one not in given}
    parameters = {one.name for one in command.params}
    return {parameter: content for parameter, content in found.items() if parameter in parameters}
