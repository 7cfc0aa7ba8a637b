"""Options from a file, ``headstart.toml``: checked whole before anything is done.

What decides which weights are read, where links lead, where files are written and whether the network is touched is
never taken from it. Keys above the first section hold for every verb that has them; ``[fit]``, ``[curve]`` and so on
for that verb alone, and go before those. What a call or a command line says goes before both.
"""

from __future__ import annotations

import contextlib
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

from headstart.errors import InputError, unknown_name
from headstart.study.execution.run_request import RunRequest
from headstart.workflow.options.data import DataSource
from headstart.workflow.options.keywords import Named
from headstart.workflow.options.option import Options, check_value
from headstart.workflow.options.pretrain import PretrainOptions
from headstart.workflow.options.signals import SignalOptions
from headstart.workflow.options.values import fits
from headstart.workflow.options.verbs import VERBS, GivenOptions, names_of_verb

T = TypeVar("T", bound=Options)

CONFIG_FILE: Final = "headstart.toml"
_BY_HAND: Final = {
    "output": "where files are written",
    "no_cache": "where files are written",
    "data": "where images are read from",
}
"""Names that are no options of a dataclass, and that a file of options may not give either."""
_COMPLETED: Final[Mapping[type[Options], Any]] = MappingProxyType(
    {PretrainOptions: PretrainOptions("any"), SignalOptions: SignalOptions("60s")}
)
"""Options that cannot do without what a file need not say."""
_NAMES_NETWORKS: Final = ("backbone", "grid", "study")
_MAX_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Config:
    """A file of options.

    Attributes
    ----------
    path : Path
    content : mapping
        As it stands there.
    text : str
    """

    path: Path
    content: Mapping[str, Any]
    text: str

    def of_verb(self, verb: str) -> dict[str, Any]:
        """Options of a verb by name; paths start from the file's own folder.

        Raises
        ------
        InputError
            For a value that the verb cannot use.
        """
        known, found = names_of_verb(verb), dict[str, Any]()
        for section in ("", verb):
            for name, value in self._keys(section):
                if name in known:
                    with self._named(section, name):
                        found[name] = _checked(known[name], value)
        found = {name: self._from_here(known[name], name, value) for name, value in found.items()}
        self._check_together(verb, found)
        return found

    def options(self, declaring: type[T], verb: str = "fit") -> T:
        """Options of one dataclass, as the file gives them to a verb; see `given_options` for the errors."""
        return given_options(verb, {"config": self}).options(declaring)

    def check(self) -> None:
        """Check every key of every section.

        Raises
        ------
        InputError
            For an unknown key (with the close matches), one that is not taken from a file, or a value that cannot be
            used; file and line are named.
        """
        for section in ("", *(name for name in self.content if self._is_section(name))):
            verbs = (section,) if section else VERBS
            seen: set[str] = set()
            for name, value in self._keys(section):
                with self._named(section, name):
                    _check_key(name, value, verbs, f"key of [{section}]" if section else "key or section")
                    if name in seen:
                        raise InputError(f"{name} is given twice, with a hyphen and without. Give it once.")
                seen.add(name)

    def _check_together(self, verb: str, values: Mapping[str, Any]) -> None:
        """Check what no key shows by itself: names of metrics, options that exclude each other."""
        given = GivenOptions.of(verb, values)
        try:
            for declaring in given.values:
                if declaring is DataSource:
                    given.data(self.path)
                else:
                    given.options(declaring, _COMPLETED.get(declaring))
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from error

    def _is_section(self, name: str) -> bool:
        return name in VERBS and isinstance(self.content[name], dict)

    def _keys(self, section: str) -> Iterator[tuple[str, Any]]:
        """Keys and values of a section, or above the first one; hyphens are underscores."""
        for name, value in (self.content.get(section, {}) if section else self.content).items():
            if section or not self._is_section(name):
                yield name.replace("-", "_"), value

    @contextlib.contextmanager
    def _named(self, section: str, name: str) -> Iterator[None]:
        """Errors that name the file and the line of a key."""
        try:
            yield
        except InputError as error:
            line = _line_of(self.text, section, name)
            place = str(self.path) if line is None else f"{self.path}, line {line}"
            raise InputError(f"{place}: {error}") from error

    def _from_here(self, named: Named, name: str, value: Any) -> Any:
        """The value with its paths starting from the file's folder; names of splits and policies stay names."""
        if not isinstance(value, str) or not (named.item.option.is_path or name in ("split", "augment")):
            return value
        folder, is_path = self.path.parent, named.item.option.is_path
        parts = [part.strip() for part in value.split(",")] if named.item.option.several else [value]
        files = (".json", ".toml")
        return ",".join(os.fspath(folder / part) if is_path or part.endswith(files) else part for part in parts)


def read_config(path: str | os.PathLike[str]) -> Config:
    """A file of options, checked.

    Raises
    ------
    InputError
        When it is no file, no TOML, or a key or value is wrong.

    Examples
    --------
    >>> import headstart
    >>> options = headstart.read_config("headstart.toml").options(headstart.FitOptions)  # doctest: +SKIP
    """
    place = Path(path)
    try:
        if not place.is_file():
            raise InputError(f"{place} is no file. Give the path of a {CONFIG_FILE} (docs/config.md).")
        if place.stat().st_size > _MAX_BYTES:
            raise InputError(f"{place} is larger than 1 MB, too large for a file of options.")
        text = place.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise InputError(f"{place} is not UTF-8 text. Save it as UTF-8.") from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits and deep nesting among them
        raise InputError(f"{place} is no valid TOML: {error}. docs/config.md shows an example.") from error
    except OSError as error:
        raise InputError(f"{place} cannot be read ({error.strerror}).") from error
    config = Config(place, content, text)
    config.check()
    return config


def given_options(verb: str, given: Mapping[str, Any]) -> GivenOptions:
    """The options of a call by name, those of the file that ``config`` names beneath them.

    Parameters
    ----------
    verb : str
    given : mapping
        ``config`` may be a path or a `Config`.

    Raises
    ------
    InputError
        For an unknown name, or a file that cannot be used.
    """
    named = {name: value for name, value in given.items() if name != "config"}
    config = given.get("config")
    if config is None:
        return GivenOptions.of(verb, named)
    config = config if isinstance(config, Config) else read_config(config)
    values = without_overridden(verb, config.of_verb(verb), named)
    safe = {"offline": True} if names_networks(config, values) else {}
    request = RunRequest(config=config.content)
    return GivenOptions.of(verb, {**safe, **values, **named}, request=request)


def without_overridden(verb: str, values: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a file less those that are named elsewhere, be it by a shorthand or by one of the parts."""
    known = names_of_verb(verb)
    fields = {known[name].item.name for name in named if name in known}
    return {
        name: value
        for name, value in values.items()
        if name not in named and (known[name].whole is not None or known[name].item.name not in fields)
    }


def names_networks(config: Config, values: Mapping[str, Any]) -> bool:
    """Whether a file decides which networks run; what it names is never downloaded, and no weights are read by it.

    Raises
    ------
    InputError
        When it names a study that names files of weights.
    """
    if "study" in values:
        from headstart.backbones.weights import RANDOM
        from headstart.study.search.toml import read_space

        space = read_space(Path(values["study"]))
        if any(source.weights not in (None, RANDOM) for source in space.sources):
            raise InputError(
                f"{config.path}: study is {values['study']}, which names files of weights, and a file of options never "
                "says which weights are read. Give it on the command line: --study."
            )
    return any(name in values for name in _NAMES_NETWORKS)


def _check_key(name: str, value: Any, verbs: Sequence[str], kind: str) -> None:
    """Check a key that holds for some verbs, of which one at least must be able to use it."""
    taking = [named for verb in verbs if (named := names_of_verb(verb).get(name))]
    what = next((named.item.option.by_hand for named in taking), _BY_HAND.get(name, ""))
    if what:
        flag = "" if name == "data" else f": {'-o' if name == 'output' else '--' + name.replace('_', '-')}"
        raise InputError(
            f"{name} is never taken from a file of options: it says {what}. Give it on the command line{flag}."
        )
    if name in VERBS and len(verbs) > 1:
        raise InputError(f"{name} is a section, not a key. Write [{name}] on a line of its own, its options below.")
    if not taking:
        raise InputError(unknown_name(kind, name, [*_takeable(verbs), *(verbs if len(verbs) > 1 else ())]))
    refusals = []
    for named in taking:
        try:
            _checked(named, value)
        except InputError as error:
            refusals.append(error)
    if len(refusals) == len(taking):
        raise refusals[0]


def _takeable(verbs: Sequence[str]) -> set[str]:
    """Names that a file may give to some of the verbs."""
    known = (entry for verb in verbs for entry in names_of_verb(verb).items())
    return {name for name, named in known if not named.item.option.by_hand}


def _checked(named: Named, value: Any) -> Any:
    """A value that was checked; names may be a list, or a text with commas as on the command line."""
    if named.shorthand is not None:
        named.shorthand.spelled_out(value)
        return value
    if named.item.option.several and isinstance(value, list) and all(type(one) in (str, int) for one in value):
        value = ",".join(map(str, value))
    elif isinstance(value, str) and fits([value], named.item.annotation) and not fits(value, named.item.annotation):
        value = [part.strip() for part in value.split(",")]
    check_value(named.item, value)
    return value


def _line_of(text: str, section: str, name: str) -> int | None:
    """Line of a key in a TOML text, counted from 1; None where it is written in an unusual way."""
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.strip()
        if words.startswith("["):
            table = words.strip("[] ").partition("]")[0].strip()
            if table in (f"{section}.{name}".strip("."), name if not section else ""):
                return number
        key = words.partition("=")[0].strip().strip("\"'").replace("-", "_")
        if table == section and "=" in words and key == name:
            return number
    return None
