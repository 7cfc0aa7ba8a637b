"""How an option is declared: one dataclass field with its default, its range or choices, its help and its flag.

The command line is made from these declarations (`headstart.cli.options`), and so is the check of every value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from numbers import Real
from typing import Any, Final

from headstart.errors import InputError, unknown_name

_KEY: Final = "headstart.option"


@dataclass(frozen=True)
class Shorthand:
    """A flag whose whole number is filled into the value of another option.

    Attributes
    ----------
    flag, help : str
    pattern : str
        The value that the number is filled into, such as ``nested:{}x4``.
    at_least : int
    """

    flag: str
    help: str
    pattern: str
    at_least: int


@dataclass(frozen=True, kw_only=True)
class Option:
    """What one option means, in Python and on the command line.

    Attributes
    ----------
    help : str
        Effect and unit, in a sentence.
    flag : str or None
        None: the field's name with hyphens. A flag that begins with ``--no-`` turns off what is on by default.
    metavar : str or None
        What stands for the value in the help. None: its type.
    choices : tuple of str
        Every value there is; none: any.
    listed : callable or None
        Gives the names that the help ends with, asked when the help is shown: those of things that register themselves.
    at_least, at_most : float or None
        Range of a number, ends included.
    above : float or None
        A number must be larger than this.
    unset : str
        What happens where the option is left out, for a field whose default is None.
    is_path : bool
    noun : str or None
        What messages call the option. None: the field's name.
    unit : str
        What a number counts, for messages.
    turned_off_by : tuple of (str, str) or None
        A flag that sets None in place of the default, and its help.
    shorthand : Shorthand or None
    parts : mapping of str to Option
        The options that make up this one, where it is itself a mapping or a dataclass.
    decides : bool
        The value is part of the identity of a run: with another one it is another run.
    """

    help: str
    flag: str | None = None
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    listed: Callable[[], Sequence[str]] | None = None
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    unset: str = ""
    is_path: bool = False
    noun: str | None = None
    unit: str = ""
    turned_off_by: tuple[str, str] | None = None
    shorthand: Shorthand | None = None
    parts: Mapping[str, Option] = field(default_factory=dict)
    decides: bool = False


def metric_names() -> Sequence[str]:
    """Names of the metrics that candidates can be chosen by."""
    from headstart.metrics.registry import selection_metrics

    return selection_metrics()


def option(help: str, **about: Any) -> dict[str, Option]:
    """Metadata of a dataclass field that is an option; see `Option` for the keywords."""
    return {_KEY: Option(help=help, **about)}


@dataclass(frozen=True)
class Declared:
    """An option with the field that declares it.

    Attributes
    ----------
    name : str
    option : Option
    default : Any
        ``dataclasses.MISSING`` where the option must be given.
    kind : type
        Type of one value: int, float, bool or str.
    is_list : bool
        Several values are given.
    made_of : type or None
        The dataclass whose fields the parts of the option are.
    """

    name: str
    option: Option
    default: Any
    kind: type
    is_list: bool = False
    made_of: type | None = None

    @property
    def flag(self) -> str:
        """Its flag on the command line."""
        return self.option.flag or f"--{self.name.replace('_', '-')}"

    @property
    def parameter(self) -> str:
        """Name under which the command line hands its value over: the flag as an identifier."""
        return self.flag.partition("/")[0].removeprefix("--").replace("-", "_")

    def parts(self) -> Iterator[Declared]:
        """The options that make it up, each with its default."""
        known = {} if self.made_of is None else {one.name: one for one in fields(self.made_of)}
        for name, about in self.option.parts.items():
            yield _declared(known[name], about) if name in known else Declared(name, about, None, str)


def declared_options(options: type) -> Iterator[Declared]:
    """The options that the fields of a dataclass declare, in their order; other fields are left out."""
    for one in fields(options):
        about = one.metadata.get(_KEY)
        if about is not None:
            yield _declared(one, about)


def _declared(one: Field[Any], about: Option) -> Declared:
    kind, is_list = _type_of(str(one.type))
    factory = one.default_factory if one.default_factory is not MISSING else None
    return Declared(one.name, about, one.default, kind, is_list, factory if isinstance(factory, type) else None)


def _type_of(annotation: str) -> tuple[type, bool]:
    """Type of one value, and whether there are several, from an annotation as it is written.

    >>> [_type_of(text) for text in ("int | None", "tuple[str, ...]", "int | str | None")]
    [(<class 'int'>, False), (<class 'str'>, True), (<class 'str'>, False)]
    """
    names = [name for name in annotation.split(" | ") if name != "None"]
    is_list = names[0].startswith("tuple[")
    name = names[0].removeprefix("tuple[").partition(",")[0]
    known: dict[str, type] = {"int": int, "float": float, "bool": bool}
    return (known.get(name, str) if len(names) == 1 else str), is_list


class Options:
    """Base of the dataclasses whose fields declare options: every value is checked when an object is made."""

    def __post_init__(self) -> None:
        check_values(self)


def check_values(options: Any) -> None:
    """Check every value against the choices and the range that its field declares.

    Raises
    ------
    InputError
        For a value that is none of the choices, or out of range.
    """
    for item in declared_options(type(options)):
        value = getattr(options, item.name)
        if value is None:
            continue
        noun = item.option.noun or item.name
        if item.option.choices and value not in item.option.choices:
            raise InputError(unknown_name(noun, str(value), item.option.choices))
        if item.kind in (int, float) and not item.is_list:
            _check_number(item.option, noun, value)


def _check_number(about: Option, noun: str, value: Any) -> None:
    words = range_in_words(about)
    if not words:
        return
    if isinstance(value, bool) or not isinstance(value, Real) or not _is_within(about, float(value)):
        shown = f"{value:g}" if isinstance(value, float) else value
        unit = f"{about.unit}, " if about.unit else ""
        raise InputError(f"{noun} is {shown}; expected {unit}{words}.{_way_out(about)}")


def _is_within(about: Option, value: float) -> bool:
    low = -math.inf if about.at_least is None else about.at_least
    high = math.inf if about.at_most is None else about.at_most
    return math.isfinite(value) and low <= value <= high and (about.above is None or value > about.above)


def range_in_words(about: Option) -> str:
    """The range of a number; empty where every number will do.

    >>> range_in_words(Option(help="", at_least=1, at_most=1024)), range_in_words(Option(help="", above=0))
    ('1 to 1,024', 'more than 0')
    """
    if about.at_least is not None:
        return f"{about.at_least:g} or more" if about.at_most is None else f"{about.at_least:g} to {about.at_most:,}"
    words = [] if about.above is None else [f"more than {about.above:g}"]
    words += [] if about.at_most is None else [f"{about.at_most:g} at the most"]
    return ", and ".join(words)


def _way_out(about: Option) -> str:
    return f" Leave it out for: {about.unset}." if about.unset else ""
