"""`ImageSource`: where the pixels of a data set come from, be it files, arrays or something cut out of either."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headstart.data.images.bounds import MAX_PIXELS
from headstart.data.images.decode import WHITE_LEVEL, Reduce
from headstart.data.images.pictures import Decoded


class StoredImage(Protocol):
    """One image as it is stored, read once, before it is decoded.

    `headstart.data.images.files.EncodedImage` and `headstart.data.images.arrays.ArrayImage` are the two there are; a
    source of your own hands out one of them.
    """

    @property
    def changed(self) -> str:
        """Reason to refuse the image once its content is no longer the one that was hashed, with the remedy."""
        ...

    def content_hash(self) -> str:
        """SHA-256 of what is stored, in hexadecimal."""
        ...

    def decoded(
        self,
        *,
        max_pixels: int = MAX_PIXELS,
        white_level: int = WHITE_LEVEL,
        keep_grey: bool = False,
        reduce: Reduce | None = None,
        channels: Sequence[str] | None = None,
    ) -> Decoded:
        """Upright picture with its header; see `headstart.data.images.decode.decode_details`."""
        ...


@dataclass(frozen=True)
class GroupProposal:
    """Groups that a source proposes where the user names none.

    Attributes
    ----------
    groups : sequence of str
        Group of every row of the source.
    origin : str
        What images of one group share, as a noun in the singular: ``"recording"``, ``"micrograph"``.
    """

    groups: Sequence[str]
    origin: str


@dataclass(frozen=True, eq=False)
class BaselineColumns:
    """Numbers of every row that one simple baseline is trained on, and nothing else is: the time of a window, say.

    Attributes
    ----------
    name : str
        Name of the baseline in results.
    title : str
        For people.
    values : ndarray of shape (n_rows, n_columns), float32
    """

    name: str
    title: str
    values: NDArray[np.float32]


class ImageSource(Protocol):
    """Lazy pixels of rows, by which anything can be a data set of images: windows of a signal, crops of a picture.

    A class that names this one as its base writes `open` alone. It is small and can be pickled, so that worker
    processes may have it, and `open` is called from several threads at once. The image of a row is known by its name
    and by the hash of its content, which must be the same each time it is opened.

    Examples
    --------
    >>> from headstart.data.images.arrays import ArrayImage
    >>> class Tiles(ImageSource):
    ...     def __init__(self, mosaic, side):
    ...         self.mosaic, self.side = mosaic, side
    ...
    ...     def open(self, row, name):
    ...         return ArrayImage(name, self.mosaic[:, row * self.side : (row + 1) * self.side])
    >>> tiles = Tiles(np.arange(48, dtype=np.uint8).reshape(4, 12), side=4)
    >>> tiles.take(np.array([2])).open(0, "last").decoded().image.getpixel((0, 0))
    (8, 8, 8)
    """

    @abstractmethod
    def open(self, row: int, name: str) -> StoredImage:
        """Image of the row, read from where it lies; `name` is its name in the data set, for errors.

        Raises
        ------
        ImageError
            When it cannot be read: the audit lists it with the reason.
        """
        ...

    def take(self, rows: NDArray[np.int64]) -> ImageSource:
        """Source of a subset; row i of it is row ``rows[i]`` of this one."""
        return TakenRows(self, rows)

    def proposed_groups(self) -> GroupProposal | None:
        """Groups of images that share their origin, used where the user names none; None proposes none."""
        return None

    def group_column_option(self) -> str | None:
        """Option of the command line that names a column of groups, where none takes them from the names; else None."""
        return None

    def location(self) -> dict[str, Any] | None:
        """Plain JSON by which `headstart report` finds the images again; None where it cannot."""
        return None

    def baseline_columns(self) -> tuple[BaselineColumns, ...]:
        """Baselines of its own that a run is judged against, beside those of every run."""
        return ()

    def numbers(self, rows: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """Numbers that the pictures of rows are drawn from, (n_rows, n_numbers); None where they are drawn from none.

        Rows between two others can be made up of them, and drawn by `of_numbers`.
        """
        return None

    def of_numbers(self, numbers: NDArray[np.float32]) -> tuple[ImageSource, Mapping[str, NDArray[np.float64]]]:
        """Pictures drawn from such numbers, and the table columns that belong to them, by name."""
        raise ValueError("these pictures are not drawn from numbers")

    def may_hold_copies(self) -> bool:
        """Whether images that look alike may show one thing; windows of a signal look alike where nothing happens."""
        return True


@dataclass(frozen=True, eq=False)
class TakenRows(ImageSource):
    """Some rows of another source."""

    source: ImageSource
    rows: NDArray[np.int64]

    def open(self, row: int, name: str) -> StoredImage:
        """Image of row ``rows[row]`` of the source."""
        return self.source.open(int(self.rows[row]), name)

    def take(self, rows: NDArray[np.int64]) -> TakenRows:
        """See `ImageSource.take`."""
        return TakenRows(self.source, self.rows[rows])

    def group_column_option(self) -> str | None:
        """See `ImageSource.group_column_option`."""
        return self.source.group_column_option()

    def location(self) -> dict[str, Any] | None:
        """See `ImageSource.location`."""
        return self.source.location()

    def numbers(self, rows: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """See `ImageSource.numbers`."""
        return self.source.numbers(self.rows[rows])

    def of_numbers(self, numbers: NDArray[np.float32]) -> tuple[ImageSource, Mapping[str, NDArray[np.float64]]]:
        """See `ImageSource.of_numbers`."""
        return self.source.of_numbers(numbers)

    def baseline_columns(self) -> tuple[BaselineColumns, ...]:
        """See `ImageSource.baseline_columns`."""
        whole = self.source.baseline_columns()
        return tuple(BaselineColumns(one.name, one.title, one.values[self.rows]) for one in whole)

    def may_hold_copies(self) -> bool:
        """See `ImageSource.may_hold_copies`."""
        return self.source.may_hold_copies()
