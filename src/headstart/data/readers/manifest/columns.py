"""Columns of a manifest and their roles: image, label, group, weight, fold, split, raters, soft labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from headstart.errors import DataError, plural, unknown_name

SOFT_PREFIX: Final = "p:"
KINDS: Final = ("image", "label", "group", "weight", "fold", "split", "rater")
_IF_THERE: Final = ("group", "weight", "fold", "split", "rater")


@dataclass(frozen=True)
class ManifestColumns:
    """Names of a manifest's columns.

    Attributes
    ----------
    image : str
        Path of the image file, relative to the root.
    label : str or None
        Class; None for a manifest without labels. May be missing where soft labels or raters give the class.
    group, weight, fold : str or None
        None takes the column called ``group``, ``weight`` or ``fold`` where the table has one.
    split : str or None
        Column of the parts of a split: train, val, test. None takes the column called ``split`` where the table has
        one that names such parts, and no folds.
    soft : str or None
        Beginning of the names of soft-label columns, the class after it. None takes ``p:`` where the table has such
        columns.
    rater : str or None
        Column of the rater's name, in a table with one row for each image and rater. None takes the column called
        ``rater`` where the table has one.
    raters : str, sequence of str or None
        Columns that each hold one rater's label of the image; a text is split at its commas.
    image_alone : bool
        Look for no other role than the image: for images that are to be predicted, whatever else the table says.
    """

    image: str = "image"
    label: str | None = "label"
    group: str | None = None
    weight: str | None = None
    fold: str | None = None
    split: str | None = None
    soft: str | None = None
    rater: str | None = None
    raters: str | Sequence[str] | None = None
    image_alone: bool = False

    @classmethod
    def of(cls, columns: ManifestColumns | Mapping[str, str] | None) -> ManifestColumns:
        """The columns from a mapping such as ``{"label": "diagnosis"}``, or the default ones.

        Raises
        ------
        DataError
            When a key of the mapping is no role of a manifest's columns.
        """
        if isinstance(columns, ManifestColumns):
            return columns
        known = [field.name for field in fields(cls) if field.name != "image_alone"]
        for kind in columns or {}:
            if kind not in known:
                raise DataError(unknown_name("manifest column", kind, known))
        named: dict[str, Any] = dict(columns or {})
        return cls(**named)

    def found_in(self, path: Path, present: list[str]) -> FoundColumns:
        """Roles of the columns of one table.

        Raises
        ------
        DataError
            When a column that is needed, or was named, is not there, or labels come from two places.
        """
        if self.image_alone:
            if self.image not in present:
                raise DataError(_missing_column(path, "image", self.image, present))
            return FoundColumns({"image": self.image}, {}, ())
        named = {kind: getattr(self, kind) for kind in KINDS}
        for kind in _IF_THERE:
            if named[kind] is None and kind in present:
                named[kind] = kind
        soft, raters = self._soft_columns(path, present), self._rater_columns(path, present)
        if (raters or soft) and self.rater is None:
            named["rater"] = None  # some other use of the name
        if (soft or raters) and self.label == "label" and "label" not in present:
            named["label"] = None
        for kind, name in named.items():
            if name is not None and name not in present:
                raise DataError(_missing_column(path, kind, name, present))
        found = FoundColumns({kind: name for kind, name in named.items() if name is not None}, soft, raters)
        found.check(path)
        return found

    def _soft_columns(self, path: Path, present: list[str]) -> dict[str, str]:
        """Column of every class with soft labels."""
        prefix = SOFT_PREFIX if self.soft is None else self.soft
        columns = {name.removeprefix(prefix).strip(): name for name in present if name.startswith(prefix)}
        if self.soft is None and not columns:
            return {}
        columns.pop("", None)
        if len(columns) < 2:
            begin = plural(len(columns), "column that begins", "columns that begin")
            raise DataError(
                f"{path} has {begin} with {prefix!r}; soft labels need one for each class, such as "
                f"{prefix + 'functional'!r} and {prefix + 'defective'!r}. Other names: --soft-prefix PREFIX, "
                "or columns={'soft': PREFIX} in Python."
            )
        return columns

    def _rater_columns(self, path: Path, present: list[str]) -> tuple[str, ...]:
        if self.raters is None:
            return ()
        given = self.raters.split(",") if isinstance(self.raters, str) else self.raters
        names = tuple(name.strip() for name in given)
        for name in names:
            if name not in present:
                raise DataError(
                    f"{path}: {unknown_name('column', name, present)} Name the raters' columns as they are."
                )
        if len(set(names)) < len(names):
            raise DataError(f"{path}: the raters' columns {', '.join(names)} are not all different; name each once.")
        return names


@dataclass(frozen=True)
class FoundColumns:
    """Columns of one table by their roles.

    Attributes
    ----------
    single : dict of str to str
        Name of the column of the image, label, group, weight, fold, split and rater, as far as there is one.
    soft : dict of str to str
        Column of every class with soft labels.
    raters : tuple of str
        Columns that each hold one rater's labels.
    """

    single: dict[str, str]
    soft: dict[str, str]
    raters: tuple[str, ...]

    @property
    def every(self) -> list[str]:
        """All columns to be read, each once."""
        return list(dict.fromkeys([*self.single.values(), *self.soft.values(), *self.raters]))

    @property
    def roles(self) -> dict[str, str]:
        """Role of every column that has one, by the name of the column."""
        soft = dict.fromkeys(self.soft.values(), "soft label")
        return dict.fromkeys(self.raters, "rater's label") | soft | {name: kind for kind, name in self.single.items()}

    def without(self, role: str) -> FoundColumns:
        """The columns but for that of one role."""
        return replace(self, single={kind: name for kind, name in self.single.items() if kind != role})

    def check(self, path: Path) -> None:
        """Refuse labels that come from two places, and raters without labels."""
        ways = {
            f"soft labels ({', '.join(list(self.soft.values())[:3])})": bool(self.soft),
            f"one row for each rater (column {self.single.get('rater')!r})": "rater" in self.single,
            f"one column for each rater ({', '.join(self.raters[:3])})": bool(self.raters),
        }
        used = [way for way, there in ways.items() if there]
        if len(used) > 1:
            raise DataError(f"{path} gives labels in two ways: {' and '.join(used)}. Keep one and rename the others.")
        if "rater" in self.single and "label" not in self.single:
            raise DataError(f"{path} names raters (column {self.single['rater']!r}) but has no column of their labels.")


def _missing_column(path: Path, kind: str, name: str, present: list[str]) -> str:
    alone = " There is one column alone: cells stand between commas, semicolons or tabs." if len(present) == 1 else ""
    return (
        f"{path} has no {kind} column. {unknown_name('column', name, present)}{alone} If it is called otherwise, name "
        f"it: --{kind}-column NAME, or columns={{{kind!r}: NAME}} in Python."
    )
