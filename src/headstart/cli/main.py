"""Entry point: the group of all commands, and errors without tracebacks."""

from __future__ import annotations

import os
from typing import Any, Final

import click

from headstart.cli.answer import give, json_option, misuse_as_json, note_format, refuse
from headstart.cli.commands import COMMANDS
from headstart.cli.interrupted import interrupted_words
from headstart.cli.plan import note_start
from headstart.cli.streams import drop_stdout, prepare_streams
from headstart.cli.table import print_line
from headstart.errors import HeadstartError, StorageError
from headstart.version import __version__

COMPLETE: Final = "_HEADSTART_COMPLETE"
"""Variable by which a shell asks for completions."""


class InterruptedEarly(click.ClickException):
    """Ctrl-C before a command began; click would say no more than that it aborted."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("Interrupted before anything was done.")

    def show(self, file: Any = None) -> None:
        """Say so on stderr."""
        print_line(self.message, err=True)


def _reason(error: OSError) -> str:
    """What the system says of a file, in the middle of a sentence."""
    reason = error.strerror or "it cannot be used"
    return reason[0].lower() + reason[1:]


class CommandGroup(click.Group):
    """Group that answers every mistake of the user in words and leaves with 1 or 2."""

    def main(self, *arguments: Any, **about: Any) -> Any:
        """Answer a call, or a shell that asks for completions."""
        prepare_streams()
        if COMPLETE in os.environ:
            from headstart.cli.completion import register_shells

            register_shells()
        try:
            return super().main(*arguments, **about)
        except StorageError as error:  # standard output refused words that click prints itself, such as help
            print_line(f"Error: {error}", err=True)
            raise SystemExit(error.exit_code) from error

    def make_context(self, *arguments: Any, **about: Any) -> click.Context:
        """Parse what stands before the verb, in a context of its own."""
        try:
            return super().make_context(*arguments, **about)
        except KeyboardInterrupt as error:
            raise InterruptedEarly from error

    def list_commands(self, context: click.Context) -> list[str]:
        """Names of the commands in the order of a user's work."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command of a name, with ``--json`` among its options; None where there is none."""
        registered = COMMANDS.in_own_file(name) or COMMANDS.get(name)
        return None if registered is None else json_option(registered.command)

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments begin with; click looks for the likeliest name in `commands`."""
        if args and self.get_command(context, args[0]) is None:
            self.commands = {name: registered.command for name, registered in COMMANDS.items()}
        return super().resolve_command(context, args)

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Parse what stands before the verb."""
        note_format(context, args)
        note_start(context)
        with misuse_as_json():
            return super().parse_args(context, args)

    def invoke(self, context: click.Context) -> None:
        """Run a command and print what it answers; a known error prints its message alone."""
        try:
            with misuse_as_json():
                exit_code = give(super().invoke(context))
        except HeadstartError as error:
            refuse(context, str(error), error.exit_code)
        except KeyboardInterrupt:
            words = interrupted_words(context)
            refuse(context, words, 130, shown=words)
        except BrokenPipeError:
            drop_stdout()
            context.exit(1)
        except OSError as error:
            if error.filename is None:
                raise
            refuse(context, f"{os.fspath(error.filename)}: {_reason(error)}. Check the path.", 2)
        context.exit(exit_code)


@click.group(
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, "-V", "--version", prog_name="headstart", help="Show the version.")
def main() -> None:
    """Transfer learning for small image data sets, with an honest estimate of how well it works."""
