"""`PictureSource`: pictures that lie one by one in a list, or come one by one out of a data set of another library."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Final, Protocol

from headstart.data.images.source import ImageSource, StoredImage
from headstart.data.memory.form import PictureForm
from headstart.data.memory.pictures import open_picture, picture_refusal
from headstart.errors import DataError, HeadstartError, ImageError

_READING: Final = threading.RLock()
"""Held while a picture is fetched: neither Pillow's opened files nor most data sets take several threads."""


class Items(Protocol):
    """Whatever has a length and gives the picture of a row."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> Any: ...


@dataclass(frozen=True, eq=False)
class PictureSource(ImageSource):
    """Pictures of any kind, each fetched when it is asked for, and none kept.

    Attributes
    ----------
    items : Items
    form : PictureForm
    """

    items: Items
    form: PictureForm

    def open(self, row: int, name: str) -> StoredImage:
        """See `ImageSource.open`; whatever the items raise is the reason why there is no picture."""
        with _READING:
            try:
                return open_picture(self.items[row], name, self.form)
            except HeadstartError:
                raise
            except Exception as error:
                words = str(error).splitlines()[0][:200] if str(error) else "without words"
                raise ImageError(name, f"cannot be fetched ({type(error).__name__}: {words})") from error


def check_rows(items: Items, form: PictureForm) -> None:
    """Refuse a row that is no picture: every one of a list, the first of what is fetched one by one.

    Raises
    ------
    DataError
        Naming the argument, the row and what is expected.
    """
    n_checked = len(items) if isinstance(items, list | tuple) else min(1, len(items))
    for row in range(n_checked):
        try:
            refusal = picture_refusal(items[row], form)
        except Exception as error:  # whatever a data set of somebody else raises
            raise DataError(
                f"Row {row} of {form.argument} cannot be fetched ({type(error).__name__}: {error!s:.200})."
            ) from error
        if refusal is not None:
            raise DataError(f"Row {row} of {form.argument} is {refusal}. {form.expected}.")
