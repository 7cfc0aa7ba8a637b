"""How an option is declared: one dataclass field with its default, its range or choices, its help and its flag.

The command line is made from these declarations (`headstart.cli.options`), and so is the check of every value.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from typing import Any, ClassVar, Final

from headstart.errors import InputError, unknown_name
from headstart.runtime.limits import Limits, phrases
from headstart.workflow.options.values import fits, in_words

_KEY: Final = "headstart.option"

GROUPS: Final = ("Data", "Network", "Search", "Training", "Decisions", "Machine", "Output")
"""Groups of the options in a help text, in the order of a user's questions."""


@dataclass(frozen=True)
class Shorthand:
    """A flag whose whole number is filled into the value of another option.

    Attributes
    ----------
    flag, help : str
    pattern : str
        The value that the number is filled into, such as ``nested:{}x4``.
    at_least : int
    matters : bool
        See `Option.matters`.
    """

    flag: str
    help: str
    pattern: str
    at_least: int
    matters: bool = False

    @property
    def parameter(self) -> str:
        """Its name where it is given by name: the flag as an identifier."""
        return identifier(self.flag)

    def spelled_out(self, number: Any) -> str:
        """The value that the number stands for.

        Raises
        ------
        InputError
            When that is no whole number, or too small.
        """
        limits = Limits(at_least=self.at_least)
        if not fits(number, "int") or not limits.holds(number):
            raise InputError(f"{self.parameter} is {number!r}; expected a whole number, {limits.in_words()}.")
        return self.pattern.format(number)


@dataclass(frozen=True, kw_only=True)
class Option(Limits):
    """One option: its meaning in Python and on the command line.

    Attributes
    ----------
    help : str
        Effect and unit, in a sentence.
    flag : str or None
        None: the field's name with hyphens. A flag that begins with ``--no-`` turns off what is on by default.
    metavar : str or None
        What stands for the value in the help. None: its type.
    choices : tuple of str
        Every value there is; none: any. A field whose type is a ``Literal`` takes them from there.
    several : bool
        The value may name several, separated by commas.
    offered : callable or None
        Gives the values that a shell completes, where `choices` do not say them; quick, since a user waits for it.
    or_path : bool
        The value may be the path of a file instead.
    listed : callable or None
        Gives the names that the help ends with, asked when the help is shown: those of things that register themselves.
    at_least, at_most, above, below : float or None
        Range of a number.
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
    by_hand : str
        What the option says, where no file of options may say it; empty where one may.
    decides : bool
        The value is part of the identity of a run: with another one it is another run.
    recorded_as : str or None
        Its name in the identity. None: the field's name.
    group : str
        One of `GROUPS`; empty: the group of the dataclass that declares the field.
    matters : bool
        Among the few that the help shows first.
    """

    help: str
    flag: str | None = None
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    several: bool = False
    offered: Callable[[], Sequence[str]] | None = None
    or_path: bool = False
    listed: Callable[[], Sequence[str]] | None = None
    unset: str = ""
    is_path: bool = False
    noun: str | None = None
    unit: str = ""
    turned_off_by: tuple[str, str] | None = None
    shorthand: Shorthand | None = None
    parts: Mapping[str, Option] = field(default_factory=dict)
    by_hand: str = ""
    decides: bool = False
    recorded_as: str | None = None
    group: str = ""
    matters: bool = False


def identifier(flag: str) -> str:
    """A flag as an identifier; of a pair the first.

    >>> identifier("--white-level"), identifier("--baselines/--no-baselines")
    ('white_level', 'baselines')
    """
    return flag.partition("/")[0].removeprefix("--").replace("-", "_")


def metric_names() -> Sequence[str]:
    """Names of the metrics that candidates can be chosen by."""
    from headstart.workflow.options.names import selection_metrics

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
    annotation : str
        Type of the field, as it is written.
    made_of : type or None
        The dataclass whose fields the parts of the option are.
    """

    name: str
    option: Option
    default: Any
    kind: type
    is_list: bool = False
    annotation: str = "str | None"
    made_of: type | None = None

    @property
    def flag(self) -> str:
        """Its flag on the command line."""
        return self.option.flag or f"--{self.name.replace('_', '-')}"

    @property
    def parameter(self) -> str:
        """Name under which the command line hands its value over: the flag as an identifier."""
        return identifier(self.flag)

    def parts(self) -> Iterator[Declared]:
        """The options that make it up, each with its default."""
        known = {} if self.made_of is None else {one.name: one for one in fields(self.made_of)}
        for name, about in self.option.parts.items():
            grouped = replace(about, group=about.group or self.option.group)
            yield _declared(known[name], grouped) if name in known else Declared(name, grouped, None, str)


_DECLARED: Final[dict[type, tuple[Declared, ...]]] = {}


def declared_options(options: type) -> tuple[Declared, ...]:
    """The options that the fields of a dataclass declare, in their order; other fields are left out."""
    if options not in _DECLARED:
        found = ((one, one.metadata.get(_KEY)) for one in fields(options))
        _DECLARED[options] = tuple(
            _declared(one, replace(about, group=about.group or _group_of(options, one.name)))
            for one, about in found
            if about is not None
        )
    return _DECLARED[options]


def _group_of(options: type, name: str) -> str:
    """Group of the dataclass that declares a field, which others may derive from."""
    holding = [base for base in options.__mro__ if name in getattr(base, "__dataclass_fields__", ())]
    return str(getattr(holding[-1], "group", ""))


def _declared(one: Field[Any], about: Option) -> Declared:
    kind, is_list = _type_of(str(one.type))
    factory = one.default_factory if one.default_factory is not MISSING else None
    made_of = factory if isinstance(factory, type) else None
    return Declared(one.name, about, one.default, kind, is_list, str(one.type), made_of)


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


@dataclass(frozen=True)
class Options:
    """Base of the dataclasses whose fields declare options: every value is checked when an object is made.

    ``group`` is the group of their help, one of `GROUPS`.
    """

    group: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for item in declared_options(type(self)):
            object.__setattr__(self, item.name, _plain(item, getattr(self, item.name)))
        check_values(self)


def _plain(item: Declared, value: Any) -> Any:
    """A path as its text, and a list as the tuple that the field holds."""
    if item.option.is_path and isinstance(value, os.PathLike):
        return os.fspath(value)
    return tuple(value) if item.is_list and isinstance(value, list) else value


def check_values(options: Any) -> None:
    """Check every value against the type, the choices and the range that its field declares.

    Raises
    ------
    InputError
        For a value of another type, one that is none of the choices, or out of range.
    """
    for item in declared_options(type(options)):
        check_value(item, getattr(options, item.name))


def check_value(item: Declared, value: Any) -> None:
    """Check one value against the type, the choices and the range of its option.

    Raises
    ------
    InputError
    """
    noun = item.option.noun or item.name
    if value is None and " | None" in item.annotation:
        return
    if item.option.choices:
        _check_choice(item.option, noun, value)
    else:
        _check_type_and_range(item, noun, value)


def _check_choice(about: Option, noun: str, value: Any) -> None:
    named = [part.strip() for part in value.split(",")] if about.several and isinstance(value, str) else [value]
    for name in named:
        if name not in about.choices:
            raise InputError(unknown_name(noun, str(name), about.choices))


def _check_type_and_range(item: Declared, noun: str, value: Any) -> None:
    about, range_words = item.option, item.option.in_words()
    is_number = item.kind in (int, float)
    if not fits(value, item.annotation):
        kind = in_words(item.annotation, text="a path" if about.is_path else "text")
        raise InputError(f"{noun} is {value!r}; expected {phrases([kind, about.unit, range_words])}.{_way_out(about)}")
    for number in value if item.is_list else (value,):
        if is_number and not about.holds(float(number)):
            shown = f"{number:g}" if isinstance(number, float) else number
            expected = phrases([about.unit, range_words or "a finite number"])
            raise InputError(f"{noun} is {shown}; expected {expected}.{_way_out(about)}")
    if isinstance(value, Mapping) and about.parts:
        for name in value:
            if name not in about.parts:
                raise InputError(unknown_name(f"key of {noun}", str(name), about.parts))


def _way_out(about: Option) -> str:
    return f" Leave it out for: {about.unset}." if about.unset else ""
