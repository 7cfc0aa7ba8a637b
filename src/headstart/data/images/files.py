"""Images in files."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headstart.data.images.ahead import SMALL_BYTES, expected_bytes
from headstart.data.images.bounds import MAX_FILE_BYTES, MAX_PIXELS, claim_working
from headstart.data.images.decode import WHITE_LEVEL, Reduce, decode_details
from headstart.data.images.pictures import Decoded
from headstart.data.images.similar_names import similar_file
from headstart.data.images.source import GroupProposal, ImageSource
from headstart.errors import DataError, ImageError
from headstart.storage import hash_bytes

_DEAD_LINK: Final = "a link to a file that does not exist; mend or remove it"


@dataclass(frozen=True)
class EncodedImage:
    """Image from the bytes of a file; `name` stands in errors.

    Attributes
    ----------
    name : str
    encoded : bytes
    damage : dict of str to str or None
        Where pictures of which a part is missing are taken: what is missing, by name. None refuses them.
    """

    name: str
    encoded: bytes
    damage: dict[str, str] | None = field(default=None, compare=False, repr=False)

    @property
    def changed(self) -> str:
        """See `StoredImage.changed`."""
        return "the file changed while it was being used; run the command again"

    def content_hash(self) -> str:
        """SHA-256 of the bytes."""
        return hash_bytes(self.encoded)

    def decoded(
        self,
        *,
        max_pixels: int = MAX_PIXELS,
        white_level: int = WHITE_LEVEL,
        keep_grey: bool = False,
        reduce: Reduce | None = None,
        channels: Sequence[str] | None = None,
    ) -> Decoded:
        """See `StoredImage.decoded`."""
        found = decode_details(
            self.encoded,
            self.name,
            max_pixels=max_pixels,
            white_level=white_level,
            keep_grey=keep_grey,
            reduce=reduce,
            channels=channels,
            accept_damaged=self.damage is not None,
        )
        if self.damage is not None and found.damage is not None:
            self.damage[self.name] = found.damage
        return found


@dataclass(frozen=True)
class FilePixels(ImageSource):
    """Images in files named by the data set's own names, relative to `root`.

    Attributes
    ----------
    root : Path
        Absolute folder.
    confined : bool
        Whether a file outside `root`, reached through a link, is refused.
    damage : dict of str to str or None
        Where pictures of which a part is missing are taken as their decoders fill them: what is missing, by name, noted
        as they are decoded. None refuses them.
    proposal : GroupProposal or None
        Groups that the files themselves propose, one for each row: the patients of DICOM images.
    column_option : str or None
        See `ImageSource.group_column_option`.
    """

    root: Path
    confined: bool = True
    damage: dict[str, str] | None = field(default=None, compare=False, repr=False)
    proposal: GroupProposal | None = field(default=None, compare=False, repr=False)
    column_option: str | None = field(default=None, compare=False, repr=False)

    def path(self, name: str) -> Path:
        """Path of the image called `name`."""
        return self.root / name

    def location(self) -> dict[str, Any]:
        """See `ImageSource.location`."""
        accepted = {"accept_damaged": True} if self.damage is not None else {}
        return {"root": str(self.root), "confined": self.confined, **accepted}

    @classmethod
    def at(cls, location: object) -> FilePixels | None:
        """The source whose `location` this is, or None where it is no location of files.

        Raises
        ------
        DataError
            When the folder is gone.
        """
        if not isinstance(location, dict) or set(location) - {"accept_damaged"} != {"root", "confined"}:
            return None
        root = Path(str(location["root"]))
        if not root.is_dir():
            raise DataError(f"{root}, where the images lay, is gone.")
        return cls(root, bool(location["confined"]), damage={} if location.get("accept_damaged") is True else None)

    def open(self, row: int, name: str) -> EncodedImage:
        """Image of the file called `name`, whatever the row.

        Raises
        ------
        ImageError
            When the file is missing, unreadable, no regular file, larger than 1 GiB or outside the root.
        """
        return EncodedImage(name, self._read(name, None), self.damage)

    def begin(self, name: str, n_bytes: int) -> bytes:
        """First bytes of the file called `name`.

        Raises
        ------
        ImageError
            As `open`.
        """
        return self._read(name, n_bytes)

    def _read(self, name: str, n_bytes: int | None) -> bytes:
        path = self.path(name)
        try:
            if self.confined and not self._is_inside(path, name):
                raise ImageError(
                    name, f"a link that leads outside {self.root}; copy the file there, or use --allow-outside"
                )
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
            with os.fdopen(descriptor, "rb") as handle:
                status = os.fstat(descriptor)
                _check_regular(name, status)
                if n_bytes is not None:
                    return handle.read(n_bytes)
                if status.st_size > SMALL_BYTES:
                    claim_working(expected_bytes(handle, status.st_size))
                return handle.read()
        except FileNotFoundError as error:
            reason = _DEAD_LINK if path.is_symlink() else _refusal(error) + similar_file(path)
            raise ImageError(name, reason) from error
        except (OSError, ValueError) as error:
            raise ImageError(name, _refusal(error)) from error

    def _is_inside(self, path: Path, name: str) -> bool:
        """Whether a file lies in the folder once all links are followed; a name without links stays inside."""
        return _has_no_links(self.root, name) or Path(os.path.realpath(path, strict=True)).is_relative_to(self.root)

    def proposed_groups(self) -> GroupProposal | None:
        """See `ImageSource.proposed_groups`."""
        return self.proposal

    def group_column_option(self) -> str | None:
        """See `ImageSource.group_column_option`."""
        return self.column_option

    def take(self, rows: NDArray[np.int64]) -> FilePixels:
        """See `ImageSource.take`."""
        return self


def accepting_damaged(pixels: ImageSource) -> ImageSource:
    """The same source, which takes pictures of which a part is missing, where it is one of files."""
    return replace(pixels, damage={}) if isinstance(pixels, FilePixels) else pixels


def damage_of(pixels: ImageSource, name: str) -> str | None:
    """Missing part, in words, of a picture that was decoded and taken all the same; None for one that is whole."""
    damage = pixels.damage if isinstance(pixels, FilePixels) else None
    return None if damage is None else damage.get(name)


def note_damage(pixels: ImageSource, name: str, missing: str) -> None:
    """Note what is missing of a picture, where such pictures are taken: of a copy of one that was decoded, say."""
    if isinstance(pixels, FilePixels) and pixels.damage is not None:
        pixels.damage[name] = missing


def _has_no_links(root: Path, name: str) -> bool:
    """Whether neither a file nor a folder between it and the root is a link; False where that cannot be told so."""
    parts = name.split("/")
    if os.name != "posix" or "" in parts or "." in parts or ".." in parts:
        return False
    path = str(root)
    for part in parts:
        path = f"{path}/{part}"
        if stat.S_ISLNK(os.lstat(path).st_mode):
            return False
    return True


def _check_regular(name: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(name, "not a regular file")
    if status.st_size > MAX_FILE_BYTES:
        raise ImageError(name, f"{status.st_size:,} bytes, more than the {MAX_FILE_BYTES:,} allowed")


def _refusal(error: OSError | ValueError) -> str:
    reasons = {
        errno.ENOENT: "no such file",
        errno.EACCES: "permission denied; make the file readable",
        errno.EPERM: "permission denied; make the file readable",
        errno.EISDIR: "a folder, not an image",
        errno.ELOOP: "a symbolic link that leads back to itself; remove it",
        errno.ENAMETOOLONG: "the path is longer than the file system allows",
        errno.ENOTDIR: "a part of this path is a file, not a folder",
    }
    number = error.errno if isinstance(error, OSError) else None
    return reasons.get(number or 0, f"cannot be read ({error})")
