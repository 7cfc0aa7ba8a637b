"""Entry point: the group of all commands, and errors without tracebacks."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from headstart.cli.commands import COMMANDS
from headstart.errors import HeadstartError
from headstart.version import __version__


class CommandGroup(click.Group):
    """Group that answers every mistake of the user in words and leaves with 1 or 2."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Names of the commands in the order of a user's work."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command of a name; None where there is none."""
        return COMMANDS[name].command if name in COMMANDS else None

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments begin with; click looks for the likeliest name in `commands`."""
        self.commands = {name: registered.command for name, registered in COMMANDS.items()}
        return super().resolve_command(context, args)

    def invoke(self, context: click.Context) -> Any:
        """Run a command; a known error prints its message alone."""
        try:
            return super().invoke(context)
        except HeadstartError as error:
            click.echo(f"Error: {error}", err=True)
            context.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("Interrupted; what was finished is kept. The same command goes on from there.", err=True)
            context.exit(130)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            context.exit(1)


@click.group(
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="headstart")
def main() -> None:
    """Transfer learning for small image data sets, with an honest estimate of how well it works."""
