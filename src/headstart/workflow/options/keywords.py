"""Options given by name, to a call or in a file: each finds the dataclass that declares it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, replace
from typing import Any, NamedTuple, TypeVar

from headstart.errors import InputError
from headstart.workflow.options.option import Declared, Options, Shorthand, declared_options

T = TypeVar("T", bound=Options)


class Named(NamedTuple):
    """A name that a value can be given under.

    Attributes
    ----------
    declaring : type
        The dataclass of options that takes it.
    item : Declared
        The option, or one of the parts that make up another.
    whole : Declared or None
        The option that `item` is a part of.
    shorthand : Shorthand or None
        Where the name is short for a value of `item`.
    """

    declaring: type[Options]
    item: Declared
    whole: Declared | None = None
    shorthand: Shorthand | None = None

    def parameter(self, name: str) -> str:
        """Name of the parameter by which the command line hands the value over."""
        return name if self.shorthand is not None else self.item.parameter

    def on_command_line(self, name: str, value: Any) -> Iterator[tuple[str, Any]]:
        """The value as parameters of the command line, whose texts hold what Python has as lists and mappings."""
        if self.item.option.parts and isinstance(value, Mapping):
            yield from ((part.parameter, value[part.name]) for part in self.item.parts() if part.name in value)
        elif isinstance(value, Mapping):
            yield self.parameter(name), ",".join(f"{key}={one}" for key, one in value.items())
        elif isinstance(value, list) and self.item.kind is str:
            yield self.parameter(name), ",".join(value)
        elif self.item.kind is bool and self.item.flag.startswith("--no-"):
            yield self.parameter(name), not value
        else:
            yield self.parameter(name), value


def names_of(declaring: type[Options], fields: Sequence[str] = ()) -> Iterator[tuple[str, Named]]:
    """Every name of the options that a dataclass declares, as its flag says it; of some fields alone, if named."""
    for item in declared_options(declaring):
        if fields and item.name not in fields:
            continue
        yield item.name, Named(declaring, item)
        for part in item.parts():
            yield part.parameter, Named(declaring, part, whole=item)
        if short := item.option.shorthand:
            yield short.parameter, Named(declaring, item, shorthand=short)


def with_options(options: T | None, declaring: type[T], given: Mapping[str, Any]) -> T:
    """Options changed by what was given by name.

    Parameters
    ----------
    options : Options or None
        None: the defaults.
    declaring : type
    given : mapping
        Values by the names of `names_of`.

    Raises
    ------
    InputError
        When a value cannot be used, two names exclude each other, or an option that has no default is missing.
    """
    changed = dict(_field_values(options, declaring, given))
    if options is not None:
        return replace(options, **changed) if changed else options
    for item in declared_options(declaring):
        if item.default is MISSING and item.made_of is None and item.name not in changed:
            raise InputError(f"{item.name} is missing: {item.option.help}")
    return declaring(**changed)


def _field_values(
    options: Options | None, declaring: type[Options], given: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """Values of fields from values by name: parts put together, shorthands spelled out."""
    for item in declared_options(declaring):
        parts = {part.name: given[part.parameter] for part in item.parts() if part.parameter in given}
        short = item.option.shorthand
        if short is not None and short.parameter in given:
            if item.name in given:
                raise InputError(f"{short.parameter} is short for {item.name}; give one of the two.")
            yield item.name, short.spelled_out(given[short.parameter])
        elif parts:
            yield item.name, _put_together(item, given.get(item.name, getattr(options, item.name, None)), parts)
        elif item.name in given:
            yield item.name, given[item.name]


def _put_together(item: Declared, before: Any, parts: Mapping[str, Any]) -> Any:
    if item.made_of is None:
        return {**(before or {}), **parts}
    return item.made_of(**parts) if before is None else replace(before, **parts)
