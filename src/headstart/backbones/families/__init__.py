"""Families of backbones: the facts of their networks, how these fall into stages, what others call their tensors.

A family is one file beside this one: it lists its entries and decorates the function that takes its networks apart with
`register_backbone`; nothing else names it. Every file here is imported as soon as somebody asks which backbones there
are, for a help text too, so a family imports torch and timm inside its functions only.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headstart.backbones.entry import Entry

if TYPE_CHECKING:
    from headstart.backbones.stages import StageLayout

__all__ = ["KeyLayout", "RegisteredNetwork", "dense_width", "entries", "key_layout", "key_layouts", "register_backbone"]

Split = Callable[[Any], "StageLayout"]
Rename = Callable[[str], str]


@dataclass(frozen=True)
class KeyLayout:
    """Names that another library gives to the tensors of a network.

    Attributes
    ----------
    name : str
        Whose names they are.
    renaming : callable
        From the names of the network in use to a function from a foreign name to its own; what the function cannot
        explain it gives back as it came.
    """

    name: str
    renaming: Callable[[Collection[str]], Rename]


def key_layout(name: str, *rules: tuple[str, str]) -> KeyLayout:
    r"""A layout told by rules: a pattern at the beginning of a name, and what takes its place.

    Of several rules the first that leads to a name of the network holds.

    >>> key_layout("Cadene", (r"last_linear\.", "fc.")).renaming(["fc.weight"])("last_linear.weight")
    'fc.weight'
    """

    def renaming(expected: Collection[str]) -> Rename:
        def rename(foreign: str) -> str:
            tried = (re.sub("^" + pattern, new, foreign) for pattern, new in rules)
            return next((own for own in tried if own in expected), foreign)

        return rename

    return KeyLayout(name, renaming)


@dataclass(frozen=True, eq=False)
class RegisteredNetwork:
    """How the networks of one class fall into stages.

    Attributes
    ----------
    library, class_name : str
        First part of the module, and name, of the class that the library builds.
    split : callable
        From such a network with its original classifier to its `StageLayout`.
    dense_split : callable or None
        The same with the old dense layers counted among the stages, where the network has any.
    dense_width : int or None
        Numbers per image that these give.
    is_exact : bool
        The stages were held against the library's own features in the tests. False: they are a guess, also for derived
        classes, that is proved on one image of noise whenever a network is loaded.
    """

    library: str
    class_name: str
    split: Split
    dense_split: Split | None = None
    dense_width: int | None = None
    is_exact: bool = True


_ENTRIES: dict[str, Entry] = {}
_NETWORKS: dict[tuple[str, str], RegisteredNetwork] = {}
_KEY_LAYOUTS: list[KeyLayout] = []


def register_backbone(
    *named: Entry,
    network: tuple[str, str],
    dense_split: Split | None = None,
    dense_width: int | None = None,
    is_exact: bool = True,
    key_layouts: Iterable[KeyLayout] = (),
) -> Callable[[Split], Split]:
    """Register networks of one class; decorates the function that takes such a network apart.

    Parameters
    ----------
    *named : Entry
        Networks that ``headstart backbones`` lists. Others of the class are found by their library's names.
    network : (str, str)
        Library and name of the class, such as ``("timm", "VGG")``.
    dense_split, dense_width, is_exact
        See `RegisteredNetwork`.
    key_layouts : iterable of KeyLayout
        Other names of these networks' tensors; all layouts are tried on every file of weights.
    """

    def decorate(split: Split) -> Split:
        library, class_name = network
        _NETWORKS[network] = RegisteredNetwork(library, class_name, split, dense_split, dense_width, is_exact)
        _ENTRIES.update({entry.name: entry for entry in named})
        _KEY_LAYOUTS.extend(key_layouts)
        return split

    return decorate


def entries() -> dict[str, Entry]:
    """Named backbones by their names; what is registered later is added to the same mapping."""
    _import_all()
    return _ENTRIES


def key_layouts() -> tuple[KeyLayout, ...]:
    """All layouts of tensor names that some family knows."""
    _import_all()
    return tuple(_KEY_LAYOUTS)


def find_split(network: Any) -> RegisteredNetwork | None:
    """Rule registered for a network's class, else the guess for the nearest class it derives from; None without one."""
    _import_all()
    known = [_NETWORKS[key] for key in map(_key, type(network).__mro__) if key in _NETWORKS]
    own = _NETWORKS.get(_key(type(network)))
    return own or next((one for one in known if not one.is_exact), None)


def dense_width(entry: Entry) -> int | None:
    """Numbers per image that the old dense layers of a backbone give; None where it has none.

    Libraries name their networks after the class: ``vgg16_bn`` is a VGG.
    """
    _import_all()
    with_dense = (one for one in _NETWORKS.values() if one.dense_split is not None)
    return next((one.dense_width for one in with_dense if entry.library_name.startswith(one.class_name.lower())), None)


def _key(kind: type) -> tuple[str, str]:
    return kind.__module__.partition(".")[0], kind.__name__


@functools.cache
def _import_all() -> None:
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
