"""TIFF, classic and BigTIFF."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from headstart.data.images.formats import ImageFormat, register_format

if TYPE_CHECKING:
    from PIL import ImageFile

_BITS_PER_SAMPLE: Final = 258


def is_tiff(encoded: bytes) -> bool:
    """Whether a file declares to be TIFF; one of DICOM may begin as one of TIFF does."""
    return encoded[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+") and encoded[128:132] != b"DICM"


def open_tiff(handle: io.BytesIO) -> ImageFile.ImageFile:
    """Pillow's image of a TIFF file."""
    from PIL import TiffImagePlugin

    from headstart.data.images.libtiff_messages import mute_libtiff

    mute_libtiff()
    return TiffImagePlugin.TiffImageFile(handle)


def bits_of(image: ImageFile.ImageFile) -> int:
    """Bits of a sample; Pillow's mode hides the depth of 16-bit colour."""
    return int(max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,))))  # type: ignore[attr-defined]  # of Pillow's TIFF images


def guard_tiff(image: ImageFile.ImageFile, encoded: bytes) -> None:
    """See `headstart.data.images.damage.tiff.guard_tiff`."""
    from headstart.data.images.damage import tiff

    tiff.guard_tiff(image, encoded)


def check_tags(encoded: bytes) -> bytes:
    """The file, whose tags are read whole when it is opened; see `headstart.data.images.directory.check_directory`."""
    from headstart.data.images import directory

    directory.check_directory(encoded)
    return encoded


register_format(
    ImageFormat(
        "TIFF",
        order=30,
        suffixes=(".tif", ".tiff"),
        declared_by=is_tiff,
        open=open_tiff,
        before_opening=check_tags,
        guard=guard_tiff,
        bits=bits_of,
        has_plain_layouts=True,
    )
)
