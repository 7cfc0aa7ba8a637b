"""Registries: things of one kind by name, each registered by the file that defines it."""

from __future__ import annotations

import pkgutil
import threading
from collections.abc import Callable, Iterator, Mapping, ValuesView
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


class Registry(Mapping[str, Item], Generic[Item]):
    """Things of one kind by name; the files of a folder are imported when it is first looked into.

    A file adds to it when it is imported, so that a new thing is one new file in the folder. The files must be light:
    they import heavy libraries within their functions.

    Parameters
    ----------
    what : str
        What messages call one of the things, "kind of head" say.
    package : str
        Dotted name of the folder whose files register things; empty for none.
    order : callable, optional
        From a thing to what they are sorted by. Default: in the order registered, files in alphabetical order.

    Examples
    --------
    >>> colours = Registry[str]("colour")
    >>> colours.add("red", "#f00")
    >>> list(colours), colours["red"]
    (['red'], '#f00')
    """

    def __init__(self, what: str, package: str = "", order: Callable[[Item], Any] | None = None) -> None:
        self._what, self._package, self._order = what, package, order
        self._items: dict[str, Item] = {}
        self._lock = threading.RLock()
        self._imported, self._importing = not package, False

    def add(self, name: str, item: Item) -> None:
        """Register one thing.

        Raises
        ------
        ValueError
            When the name is taken: a mistake of the code, not of its user.
        """
        if name in self._items:
            raise ValueError(f"There is a {self._what} {name!r} already. Register the new one under another name.")
        self._items[name] = item
        if self._order is not None:
            order = self._order
            self._items = dict(sorted(self._items.items(), key=lambda entry: order(entry[1])))

    def so_far(self) -> tuple[Item, ...]:
        """Items registered already; no file is imported for them, so that files may ask while they register."""
        return tuple(self._items.values())

    def in_own_file(self, name: str) -> Item | None:
        """The thing that the file of its own name registers, without importing the others; None where there is none."""
        if name not in self._items and not self._imported and name.isidentifier():
            with self._lock:
                if find_spec(f"{self._package}.{name}") is not None:
                    import_module(f"{self._package}.{name}")
        return self._items.get(name)

    def discard(self, name: str) -> None:
        """Take one thing out again, if it is there."""
        self._items.pop(name, None)

    def __getitem__(self, name: str) -> Item:
        self._import_files()
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        self._import_files()
        return iter(self._items)

    def __len__(self) -> int:
        self._import_files()
        return len(self._items)

    def values(self) -> ValuesView[Item]:
        """Items in order; looking each name up, as a mapping does by itself, takes several times as long."""
        self._import_files()
        return self._items.values()

    @staticmethod
    def place(package: str, function: Callable[..., Any]) -> tuple[bool, str]:
        """Key to sort by: what the files of a folder define in order of their names, then what others define."""
        return not function.__module__.startswith(f"{package}."), function.__module__

    def _import_files(self) -> None:
        if self._imported:
            return
        with self._lock:  # other threads wait; a file that looks in while it is imported sees what is there so far
            if self._imported or self._importing:
                return
            self._importing = True
            try:
                names = sorted(module.name for module in pkgutil.iter_modules(import_module(self._package).__path__))
                for name in names:
                    import_module(f"{self._package}.{name}")
                self._imported = True
            finally:
                self._importing = False
