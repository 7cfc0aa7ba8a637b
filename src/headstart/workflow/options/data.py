"""Options of a data set: its source, and how it is read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, get_args

from headstart.errors import InputError, RunError
from headstart.storage import is_unicode
from headstart.workflow.options.option import Option, Options, option

if TYPE_CHECKING:
    from headstart.data import ImageDataset
    from headstart.data.memory.collection import Pictures

Votes = Literal["majority", "shares"]
SplitFolders = Literal["pool", "classes"]
_COLUMNS: Final[Mapping[str, Option]] = {
    "image": Option(help="Manifest column of the image path.", flag="--image-column", unset="image"),
    "label": Option(help="Manifest column of the class.", flag="--label-column", unset="label"),
    "group": Option(help="Manifest column of the group.", flag="--group-column", unset="group, if there"),
    "weight": Option(help="Manifest column of the weight.", flag="--weight-column", unset="weight, if there"),
    "fold": Option(help="Manifest column of your own folds.", flag="--fold-column", unset="fold, if there"),
    "split": Option(help="Manifest column of train, val and test.", flag="--split-column", unset="split, if there"),
    "soft": Option(help="Start of the columns of soft labels.", flag="--soft-prefix", unset="p:, if there"),
    "rater": Option(help="Manifest column of the rater.", flag="--rater-column", unset="rater, if there"),
    "raters": Option(help="Columns that each hold one rater's labels.", flag="--rater-columns", metavar="NAME,NAME..."),
}


@dataclass(frozen=True)
class DataSource(Options):
    """Source of a data set, so that it can be opened again for a report.

    Attributes
    ----------
    path : str
        Folder, manifest or archive.
    group_from, columns, root, partition, classes, votes, table_columns, table, feature_array, split_folders,
    allow_outside, accept_damaged
        As for `headstart.data.read_dataset`.
    """

    group: ClassVar[str] = "Data"

    path: str
    group_from: str | None = field(
        default=None,
        metadata=option(
            "Take the group from the path: what the first parenthesis matches.", metavar="REGEX", matters=True
        ),
    )
    columns: dict[str, str] | None = field(default=None, metadata=option("Columns of a manifest.", parts=_COLUMNS))
    table_columns: tuple[str, ...] | None = field(
        default=None,
        metadata=option(
            "Columns shown to the head beside the picture, such as age or site:category.",
            metavar="NAME,NAME...",
            unset="none",
        ),
    )
    table: str | None = field(
        default=None,
        metadata=option(
            "CSV or Parquet that has the table columns, the images' names in its column image.",
            is_path=True,
            by_hand="where images are read from",
            unset="the manifest itself",
        ),
    )
    feature_array: str | None = field(
        default=None,
        metadata=option(
            "Features of your own beside the picture: .npy with a row for each image, or .npz with names and values.",
            is_path=True,
            by_hand="where images are read from",
            unset="none",
        ),
    )
    votes: Votes | None = field(
        default=None,
        metadata=option(
            "What several raters come to: most votes, or soft labels, their shares.",
            choices=get_args(Votes),
            unset="majority",
        ),
    )
    classes: tuple[str, ...] | None = field(
        default=None,
        metadata=option("Classes in their order.", metavar="NAME,NAME...", unset="natural order"),
    )
    root: str | None = field(
        default=None,
        metadata=option(
            "Folder that a manifest's paths start from.",
            is_path=True,
            by_hand="where images are read from",
            unset="its own",
        ),
    )
    partition: str | None = field(
        default=None,
        metadata=option(
            "Part of a MedMNIST file: train, val or test.", unset="all", offered=lambda: ("train", "val", "test")
        ),
    )
    split_folders: SplitFolders | None = field(
        default=None,
        metadata=option(
            "What folders called train, val, test or fold_0 are: put together (pool), so that folds are drawn, or "
            "classes. With a manifest whose column split names them: pool.",
            choices=get_args(SplitFolders),
            unset="the split",
        ),
    )
    allow_outside: bool = field(
        default=False,
        metadata=option("Follow paths and links that lead out of the data folder.", by_hand="where links may lead"),
    )
    accept_damaged: bool = field(
        default=False,
        metadata=option("Keep pictures of which a part is missing, and name them, instead of refusing them."),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.path, str | os.PathLike):
            raise InputError(f"The path of the data is {self.path!r}; expected a folder, a manifest or an archive.")
        object.__setattr__(self, "path", os.fspath(self.path))
        if not self.path.strip():
            raise InputError("The path of the data is empty. Give a folder, a manifest or an archive.")
        for path in (self.path, self.root, self.table, self.feature_array):
            if path is not None and not is_unicode(os.fspath(path)):
                raise InputError(
                    f"The path {os.fspath(path)!r} holds bytes that are no UTF-8, so a run could not write down where "
                    "its data lie. Rename the file or folder."
                )

    def open(self) -> ImageDataset:
        """The data set; see `headstart.data.read_dataset` for the errors."""
        return self.read(self.path)

    def read(self, data: Pictures) -> ImageDataset:
        """Another data set read by these options: one that a caller has in memory."""
        from headstart.data import ManifestColumns, read_dataset

        return read_dataset(
            data,
            group_from=self.group_from,
            columns=None if self.columns is None else ManifestColumns.of(self.columns),
            root=self.root,
            partition=self.partition,
            classes=self.classes,
            votes=self.votes,
            table_columns=self.table_columns,
            table=self.table,
            feature_array=self.feature_array,
            split_folders=self.split_folders,
            allow_outside=self.allow_outside,
            accept_damaged=self.accept_damaged,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary with absolute paths."""
        named = {name: getattr(self, name) for name in ("path", "root", "table", "feature_array")}
        paths = {name: None if value is None else str(Path(value).resolve()) for name, value in named.items()}
        lists = {name: None if value is None else list(value) for name, value in self._lists().items()}
        settings = {**asdict(self), **paths, **lists}
        for name in ("accept_damaged", "split_folders"):
            if not settings[name]:  # as runs of before have it
                del settings[name]
        return settings

    def _lists(self) -> dict[str, tuple[str, ...] | None]:
        return {"classes": self.classes, "table_columns": self.table_columns}

    @classmethod
    def from_json(cls, value: Any) -> DataSource:
        """The source that `to_json` wrote.

        Raises
        ------
        RunError
            When `value` is something else: the run was made from arrays in memory, say.
        """
        known = {item.name for item in fields(cls)}
        if not isinstance(value, dict) or not known.issuperset(value) or not isinstance(value.get("path"), str):
            raise RunError("The run does not say where its images lie (it was made from data in memory).")
        lists = {name: value.get(name) for name in ("classes", "table_columns")}
        texts = {name: None if found is None else tuple(map(str, found)) for name, found in lists.items()}
        return cls(**{**value, **texts})


def as_source(data: str | os.PathLike[str] | DataSource) -> DataSource:
    """A path as a source of data."""
    return data if isinstance(data, DataSource) else DataSource(os.fspath(data))


def is_in_memory(data: object) -> bool:
    """Whether data are no path, nor a source of data at one, but what a caller has in memory.

    >>> is_in_memory("photographs"), is_in_memory([b"..."])
    (False, True)
    """
    return not isinstance(data, str | os.PathLike | DataSource)


def check_apart(path: Path, data: Path) -> None:
    """Refuse to write into a folder of data.

    Raises
    ------
    RunError
    """
    if data.is_dir() and path.resolve().is_relative_to(data.resolve()):
        raise RunError(f"{path} lies inside the data, {data}, and would be read with it. Name a folder elsewhere.")
