"""TIFF, classic and BigTIFF."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, Any

from headstart.data.images.formats import ImageFormat, register_format

if TYPE_CHECKING:
    from PIL import ImageFile

_BITS_PER_SAMPLE, _COMPRESSION, _STRIP_ROWS, _TILE_WIDTH, _TILE_HEIGHT = 258, 259, 278, 322, 323


def is_tiff(encoded: bytes) -> bool:
    """Whether a file declares to be TIFF; one of DICOM may begin as one of TIFF does."""
    return encoded[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+") and encoded[128:132] != b"DICM"


def open_tiff(handle: io.BytesIO) -> ImageFile.ImageFile:
    """Pillow's image of a TIFF file."""
    from headstart.data.images.libtiff_messages import mute_libtiff

    mute_libtiff()
    image: ImageFile.ImageFile = _tiff_class()(handle)
    return image


@functools.cache
def _tiff_class() -> Any:
    """Pillow's class of TIFF images, whose size `headstart.data.images.bounds` alone decides on.

    Pillow refuses compressed ones beyond 179 million pixels, as damaged, when they are loaded; those of other formats
    it does not.
    """
    from PIL import Image, TiffImagePlugin

    class BoundedTiff(TiffImagePlugin.TiffImageFile):
        def load_prepare(self) -> None:
            if self._im is None:
                self.im = Image.core.new(self.mode, self._tile_size)  # type: ignore[attr-defined]
            super().load_prepare()

        def load_end(self) -> None:
            """Read the orientation, and leave the picture as it lies: Pillow would turn it in memory of its own."""
            self.getexif()
            self._size = self.im.size

    return BoundedTiff


def bits_of(image: ImageFile.ImageFile) -> int:
    """Bits of a sample; Pillow's mode hides the depth of 16-bit colour."""
    return int(max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,))))  # type: ignore[attr-defined]  # of Pillow's TIFF images


def piece_bytes(image: ImageFile.ImageFile, n_encoded: int) -> int:
    """Memory of a compressed strip or tile, which libtiff decodes whole, perhaps to four bytes for each pixel."""
    tags: Any = image.tag_v2  # type: ignore[attr-defined]  # of Pillow's TIFF images
    if tags.get(_COMPRESSION, 1) == 1:
        return 0
    width, height = image.size
    if _TILE_WIDTH in tags:
        n_pixels = int(tags[_TILE_WIDTH]) * int(tags.get(_TILE_HEIGHT, height))
    else:
        n_pixels = width * max(1, min(height, int(tags.get(_STRIP_ROWS, height))))
    n_samples = len(tags.get(_BITS_PER_SAMPLE, (1,)))
    return n_pixels * max(4, n_samples * bits_of(image) // 8)


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
        decoder_bytes=piece_bytes,
        guard=guard_tiff,
        bits=bits_of,
        has_plain_layouts=True,
    )
)
