"""Commands and options whose help stands in groups, the few that matter first, and whose values a shell completes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from headstart.workflow.options.option import GROUPS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

MAX_AT_ONCE: Final = 14
"""Options that a help text shows without groups; where there are more, those that matter come first."""
_SHOWS_ALL: Final = "headstart.help_all"
_MAX_FLAG: Final = 30
_OTHER: Final = "Other"
_HELP: Final = "Help"


class Option(click.Option):
    """An option in a group of the help, with values that a shell completes.

    Parameters
    ----------
    *declarations : str
        Its flags.
    group : str
        One of `headstart.workflow.options.option.GROUPS`; empty: none.
    matters : bool
        Among the few that the help shows first.
    listed : callable, optional
        Gives names that are registered, looked up when the help is shown, which ends with them.
    offered : callable, optional
        Gives the values that a shell completes.
    several : bool
        Values may be given separated by commas.
    or_path : bool
        The value may be the path of a file instead.
    **about
        As for `click.Option`.
    """

    def __init__(
        self,
        *declarations: Any,
        group: str = "",
        matters: bool = False,
        listed: Callable[[], Sequence[str]] | None = None,
        offered: Callable[[], Sequence[str]] | None = None,
        several: bool = False,
        or_path: bool = False,
        **about: Any,
    ) -> None:
        super().__init__(*declarations, **about)
        self.group, self.matters = group, matters
        self.listed, self.offered, self.several = listed, offered, several
        self.or_path = or_path or isinstance(self.type, click.Path)

    def get_help_record(self, context: click.Context) -> tuple[str, str] | None:
        """Flag and help, the registered names behind it."""
        if self.listed is None:
            return super().get_help_record(context)
        said = copy.copy(self)
        said.help, said.listed = f"{(self.help or '').removesuffix('.')}: {', '.join(self.listed())}.", None
        return said.get_help_record(context)

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Values that begin with what is typed; files where none does and the value may be a path."""
        from click.shell_completion import CompletionItem

        if self.offered is None:
            return super().shell_complete(context, incomplete)
        found = completed(self.offered(), incomplete, several=self.several)
        if found and not (self.or_path and not incomplete and len(found) == 1):
            return [CompletionItem(value) for value in found]
        return [CompletionItem(incomplete, type="file")] if self.or_path else []


def completed(values: Sequence[str], incomplete: str, *, several: bool = False) -> list[str]:
    """Values that begin with what is typed; of several, separated by commas, the last one is completed.

    >>> completed(["vgg16", "vgg19", "resnet50"], "vgg19,v", several=True)
    ['vgg19,vgg16']
    """
    before, comma, last = incomplete.rpartition(",") if several else ("", "", incomplete)
    given = before.split(",")
    return [f"{before}{comma}{value}" for value in values if value.startswith(last) and value not in given]


class Command(click.Command):
    """A command; where it has many options, its help shows those that matter, and ``--help-all`` all in groups."""

    def __init__(self, *args: Any, **about: Any) -> None:
        super().__init__(*args, **about)
        self._is_long = sum(isinstance(one, click.Option) for one in self.params) > MAX_AT_ONCE
        if self._is_long:
            self.params.append(_help_all())

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in their groups, all flags in one column."""
        shows_all = not self._is_long or bool(context.meta.get(_SHOWS_ALL))
        options = [one for one in self.get_params(context) if isinstance(one, click.Option) and not one.hidden]
        groups: dict[str, list[tuple[str, str]]] = {}
        for one in sorted(options, key=self._place):
            record = one.get_help_record(context)
            if record is not None and (shows_all or _matters(one)):
                groups.setdefault(self._group(one), []).append(record)
        widest = min(_MAX_FLAG, formatter.width // 3, max(len(flag) for rows in groups.values() for flag, _ in rows))
        for name, rows in groups.items():
            with formatter.section(name):
                for flag, help in rows:
                    formatter.write("".join(f"{line}\n" for line in _record_lines(flag, help, widest, formatter)))

    def _group(self, option: click.Option) -> str:
        if not self._is_long:
            return "Options"
        return getattr(option, "group", "") or (_HELP if "--help" in option.opts else _OTHER)

    def _place(self, option: click.Option) -> int:
        order = (*GROUPS, _OTHER, _HELP)
        group = self._group(option)
        return order.index(group) if group in order else 0


def _record_lines(flag: str, help: str, widest: int, formatter: click.HelpFormatter) -> list[str]:
    """A flag and its help beside it, broken between words only: neither a flag nor a name is torn apart."""
    from headstart.cli.table import wrapped

    before = " " * formatter.current_indent
    indent = f"{before}{'':{widest}}  "
    first, *more = wrapped(" ".join(help.split()), formatter.width - len(indent))
    beside = [f"{before}{flag:{widest}}  {first}"] if len(flag) <= widest else [before + flag, indent + first]
    return [*beside, *(indent + line for line in more)]


def _matters(option: click.Option) -> bool:
    """Whether the short help shows an option: those marked, and those that show help."""
    return bool(getattr(option, "matters", False)) or "--help" in option.opts


def _help_all() -> click.Option:
    def show(context: click.Context, parameter: click.Parameter, value: bool) -> None:
        if value and not context.resilient_parsing:
            context.meta[_SHOWS_ALL] = True
            click.echo(context.get_help(), color=context.color)
            context.exit()

    about: dict[str, Any] = {"is_flag": True, "is_eager": True, "expose_value": False, "callback": show}
    return Option(["--help-all"], group=_HELP, matters=True, help="Show all options.", **about)
