"""`headstart doctor`: what works on this machine, what does not, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from headstart.cli.answer import Answer
from headstart.cli.commands import register_command
from headstart.cli.options import options_of
from headstart.workflow.options.machine import MachineOptions

if TYPE_CHECKING:
    from headstart.workflow.doctor import Diagnosis


@register_command(order=120)
@click.command()
@options_of(
    MachineOptions, "offline", help="Judge as for work without a network; nothing is ever downloaded here anyway."
)
def doctor(offline: bool) -> Answer:
    """Say what works on this machine, and how to mend what does not.

    Versions, processor, engines that really compute, weights, cache, permissions. Exit code 1 when something that is
    needed is broken.
    """
    from headstart.cli.table import print_text
    from headstart.workflow.doctor import examine

    found = examine(offline=offline)

    def show() -> None:
        for line in _lines(found):
            print_text(line)

    return Answer(found.to_json, show, exit_code=int(not found.works))


def _lines(found: Diagnosis) -> Iterator[str]:
    """The findings for a terminal, problems first; plain text, as a broken installation may lack what draws tables."""
    from headstart.runtime.installation import EXTRAS

    yield from _problems(found)
    yield ""
    yield "Versions"
    yield f"  {', '.join(f'{name} {version}' for name, version in found.versions.items())}"
    named = [f"{state.name} {state.version}" for state in found.packages if state.version is not None]
    yield from _wrapped(named)
    yield "Machine"
    yield from _machine(found)
    yield "Engines"
    for state in found.engines:
        verdict = "works" if state.works else f"no: {state.reason}"
        yield f"  {state.library:<9}{state.precision:<6}{state.device:<6}{verdict}"
    yield "Weights"
    places = dict.fromkeys(found.weights.values())
    for place in places:
        yield from _wrapped([name for name, where in found.weights.items() if where == place], f"  {place}: ")
    yield "Folders"
    yield from _folders(found)
    yield "Extras"
    for extra, command in found.extras.items():
        yield f"  {extra:<9}{command or 'installed'}"
        yield f"           {EXTRAS[extra]}"
    yield "Environment variables"
    for name, value in found.variables.items():
        if value is not None:
            yield f"  {name}={value}"
    yield from _wrapped([name for name, value in found.variables.items() if value is None], "  not set: ")
    yield (
        "Next: headstart fit DATA -o runs/first" if found.works else "Next: mend what is broken, then headstart doctor"
    )


def _problems(found: Diagnosis) -> Iterator[str]:
    if not found.problems:
        yield "No problems: headstart can work here."
        return
    for problem in found.problems:
        yield f"{'Broken' if problem.needed else 'Advice'}: {problem.text}"
        yield f"  Remedy: {problem.remedy}"
    if found.works:
        yield "headstart can work here."


def _machine(found: Diagnosis) -> Iterator[str]:
    processor = found.processor
    yield f"  processor: {processor.name}"
    there = [name for name, is_there in processor.instructions.items() if is_there]
    missing = [name for name, is_there in processor.instructions.items() if not is_there]
    if processor.instructions:
        yield f"  instructions: {', '.join(there) or 'none'}; not there: {', '.join(missing) or 'none'}"
    yield f"  threads: {processor.n_threads} of {processor.n_processors or '?'} processors"
    yield f"  devices: {', '.join(processor.devices) or 'unknown'}"
    yield f"  memory: {_size(found.memory_bytes)}, {_size(found.free_memory_bytes)} free"


def _folders(found: Diagnosis) -> Iterator[str]:
    if found.cache is not None:
        cache = found.cache
        yield f"  cache: {cache.folder.path}, {_state(cache.folder.writable, cache.folder.exists)}"
        yield (
            f"    {cache.n_rows:,} rows of features of {cache.n_settings:,} settings, {_size(cache.n_bytes)} of at "
            f"most {_size(cache.limit_bytes)}; {_size(cache.folder.free_bytes)} free on the disk"
        )
    for role, folder in found.folders.items():
        state = _state(folder.writable, folder.exists)
        yield f"  {role}: {folder.path}, {state}, {_size(folder.free_bytes)} free on the disk"


def _state(writable: bool, exists: bool) -> str:
    return ("" if exists else "not there yet, ") + ("writable" if writable else "not writable")


def _size(n_bytes: int | None) -> str:
    return "unknown" if n_bytes is None else f"{n_bytes / 1e9:,.1f} GB"


def _wrapped(words: list[str], start: str = "  ") -> list[str]:
    """Words with commas between them, as one indented paragraph."""
    return [start + ", ".join(words)] if words else []
