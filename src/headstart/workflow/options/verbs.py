"""Options of each verb: which of which dataclass, for calls from Python and for files of options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from headstart.errors import InputError, unknown_name
from headstart.study.execution.run_request import RunRequest
from headstart.workflow.options.data import DataSource, as_source, is_in_memory
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.keywords import Named, names_of, with_options
from headstart.workflow.options.learning_curve import CurveOptions
from headstart.workflow.options.machine import EngineOptions, MachineOptions
from headstart.workflow.options.network import NetworkOptions
from headstart.workflow.options.option import Options, declared_options
from headstart.workflow.options.pretrain import PretrainOptions
from headstart.workflow.options.signals import OF_IMAGE_FILES, SignalOptions

if TYPE_CHECKING:
    from headstart.data import ImageDataset
    from headstart.data.memory.collection import Pictures

T = TypeVar("T", bound=Options)


class _Takes(NamedTuple):
    """Fields of a dataclass that a verb takes."""

    declaring: type[Options]
    fields: tuple[str, ...] = ()


def _of_fit(*groups: type[Options], fields: tuple[str, ...] = ()) -> _Takes:
    """Fields of `FitOptions`: those of whole groups, and single ones."""
    return _Takes(FitOptions, (*fields, *(item.name for group in groups for item in declared_options(group))))


_DATA: Final = _Takes(DataSource)
_RECORDINGS: Final = _Takes(SignalOptions)
_COMPUTING: Final = (EngineOptions, MachineOptions)
_TAKES: Final[Mapping[str, tuple[_Takes, ...]]] = MappingProxyType(
    {
        "check": (_DATA, _of_fit(MachineOptions, fields=("backbone", "weights", "channels"))),
        "fit": (_DATA, _Takes(FitOptions)),
        "curve": (
            _DATA,
            _Takes(CurveOptions),
            _of_fit(NetworkOptions, *_COMPUTING, fields=("positive", "seed", "ensemble", "ordinal")),
        ),
        "pretrain": (_DATA, _Takes(PretrainOptions)),
        "evaluate": (
            _DATA,
            _of_fit(fields=("skip_unreadable", "seed", "device", "threads", "batch_size", "cache", "cache_limit")),
        ),
        "signals": (
            _RECORDINGS,
            _Takes(
                FitOptions,
                tuple(item.name for item in declared_options(FitOptions) if item.name not in OF_IMAGE_FILES),
            ),
        ),
        "rank": (_DATA, _of_fit(NetworkOptions, *_COMPUTING, fields=("study", "split", "seed"))),
    }
)
VERBS: Final = tuple(_TAKES)
"""Verbs that work on a data set; ``signals`` are those that read recordings by all their options, fit and show."""


def names_of_verb(verb: str) -> dict[str, Named]:
    """Every option of a verb by its name; where two dataclasses have one name, the first has it."""
    found: dict[str, Named] = {}
    for declaring, chosen in _TAKES[verb]:
        for name, named in names_of(declaring, chosen):
            found.setdefault(name, named)
    return found


@dataclass(frozen=True)
class GivenOptions:
    """Options of a verb by name, each under the dataclass that declares it.

    Attributes
    ----------
    values : mapping of type to dict
    request : RunRequest or None
        The file of options that they come from, as a run records it.
    """

    values: Mapping[type[Options], Mapping[str, Any]]
    request: RunRequest | None = None

    @classmethod
    def of(cls, verb: str, given: Mapping[str, Any], request: RunRequest | None = None) -> GivenOptions:
        """The options of a call.

        Raises
        ------
        InputError
            For a name that the verb does not know, with the close matches.
        """
        known = names_of_verb(verb)
        values: dict[type[Options], dict[str, Any]] = {}
        for name, value in given.items():
            if name not in known:
                raise InputError(unknown_name(f"option of {verb}", name, known))
            values.setdefault(known[name].declaring, {})[name] = value
        return cls(values, request)

    def options(self, declaring: type[T], options: T | None = None) -> T:
        """Options with what was given of them; see `headstart.workflow.options.keywords.with_options`.

        Raises
        ------
        InputError
            When `options` stand beside a file of options, so that it cannot be told which of the two is meant.
        """
        if options is not None and self.request is not None:
            raise InputError("config and an object of options exclude each other; name single options beside config.")
        return with_options(options, declaring, self.values.get(declaring, {}))

    def data(self, data: Pictures) -> str | os.PathLike[str] | DataSource | ImageDataset:
        """The data, read as was given; data in memory are read here.

        Raises
        ------
        InputError
            When options say how files are read, and the data are in memory.
        """
        from headstart.data import ImageDataset

        reading = self.values.get(DataSource, {})
        if isinstance(data, ImageDataset) and not reading:
            return data
        if isinstance(data, ImageDataset):
            raise InputError(
                f"{next(iter(reading))} says how files are read, but these data are in memory. Leave it out."
            )
        if is_in_memory(data):
            return with_options(DataSource("."), DataSource, reading).read(data)
        return with_options(as_source(data), DataSource, reading) if reading else data
