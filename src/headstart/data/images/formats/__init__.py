"""Image formats: one file each, which registers the suffixes, the first bytes and the opener of its format.

A format is added by a file of this folder that calls `register_format`. Folders are searched for images by these
suffixes and help texts name the formats, so a file here imports Pillow where it opens an image.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headstart.runtime.registry import Registry

if TYPE_CHECKING:
    from PIL import ImageFile

__all__ = [
    "ImageFormat",
    "find_format",
    "format_names",
    "formats_by_suffix",
    "image_formats",
    "image_suffixes",
    "register_format",
]


@dataclass(frozen=True)
class ImageFormat:
    """One format of image files.

    Attributes
    ----------
    name : str
        Name for messages and headers.
    order : int
        Its place in lists of formats, by rising numbers.
    suffixes : tuple of str
        Lower-case ends of the names of its files.
    declared_by : callable
        Whether the first bytes of a file declare this format; file names are not trusted.
    open : callable
        Pillow's image of an encoded file, its pixels not yet loaded.
    size_before_opening : callable or None
        Width and height that the encoded file declares, where opening would already make room for the pixels.
    decoder_bytes : callable or None
        Memory that the decoder of an opened image takes beside the pixels it gives; called with the size of the file
        too. None where it takes next to none.
    expected_bytes : callable or None
        Memory that file and picture will take, from the first bytes of the file and its size, where opening would
        read the whole file or make room for the pixels.
    reducible : bool
        Whether the decoder can leave out detail while it decodes, by `PIL.Image.Image.draft`.
    bits : callable or None
        Bits of a stored sample, where Pillow's mode does not tell.
    has_plain_layouts : bool
        Whether there are uncompressed layouts that Pillow refuses to open and that are read without it.
    before_opening : callable or None
        The encoded file as it is to be opened: without metadata that would take long to read. Raises `OSError` for what
        would take too long anyway.
    with_end : callable or None
        The encoded file with the end that its decoder waits for, where it is to be taken although it breaks off.
    guard : callable or None
        Called with the opened image and the encoded file before its pixels are loaded: raises `HalfPictureError` for a
        picture of which a part is missing, or lets loading raise it.
    confirm : callable or None
        The same, once the pixels are loaded.
    may_lack_suffix : bool
        Whether its files are often named without a suffix, so that folders are searched for its first bytes too.
    library, extra : str or None
        Package that it is opened by, and the extra that installs it, where that does not come with headstart.
    """

    name: str
    order: int
    suffixes: tuple[str, ...]
    declared_by: Callable[[bytes], bool]
    open: Callable[[io.BytesIO], ImageFile.ImageFile]
    size_before_opening: Callable[[bytes], tuple[int, int]] | None = None
    decoder_bytes: Callable[[ImageFile.ImageFile, int], int] | None = None
    expected_bytes: Callable[[bytes, int], int] | None = None
    reducible: bool = False
    bits: Callable[[ImageFile.ImageFile], int] | None = None
    has_plain_layouts: bool = False
    before_opening: Callable[[bytes], bytes] | None = None
    with_end: Callable[[bytes], bytes] | None = None
    guard: Callable[[ImageFile.ImageFile, bytes], None] | None = None
    confirm: Callable[[ImageFile.ImageFile, bytes], None] | None = None
    may_lack_suffix: bool = False
    library: str | None = None
    extra: str | None = None

    @property
    def install(self) -> str | None:
        """The command that installs what it is opened by; None where that is here."""
        lacks = self.library is not None and importlib.util.find_spec(self.library) is None
        return f'pip install "headstart[{self.extra}]"' if lacks else None


_FORMATS: Registry[ImageFormat] = Registry("image format", __name__, order=lambda known: known.order)


def register_format(image_format: ImageFormat) -> ImageFormat:
    """Make a format one that headstart reads.

    Raises
    ------
    ValueError
        When another format has its name.
    """
    _FORMATS.add(image_format.name, image_format)
    return image_format


def image_formats() -> list[ImageFormat]:
    """Every format, in order."""
    return list(_FORMATS.values())


def find_format(encoded: bytes) -> ImageFormat | None:
    """Format that the first bytes of a file declare, or None.

    >>> found = find_format(b"BM....")
    >>> found and found.name, find_format(b"PK.zip")
    ('BMP', None)
    """
    return next((known for known in image_formats() if known.declared_by(encoded)), None)


def formats_by_suffix() -> dict[str, ImageFormat]:
    """Format of the files that end so, by their suffixes in small letters."""
    return {suffix: known for known in reversed(image_formats()) for suffix in known.suffixes}


def image_suffixes() -> frozenset[str]:
    """Suffixes of all image files, lower-case."""
    return frozenset(suffix for known in image_formats() for suffix in known.suffixes)


def format_names() -> str:
    """Names of all formats for a message.

    >>> format_names()
    'JPEG, PNG, TIFF, BMP, WebP, HEIC, DICOM'
    """
    return ", ".join(known.name for known in image_formats())
