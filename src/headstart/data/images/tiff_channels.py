"""Channels of a TIFF as microscopes write them: samples of a page, or one page for each, with their names."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from headstart.data.images.bit_depth import SizeCheck, UnsupportedPixelsError, check_samples, sample_size
from headstart.data.images.directory import count_tiff_pages
from headstart.data.images.samples import MAX_CHANNELS, Samples, usual_names

_COMPRESSED: Final = "several channels in compressed pages; save it without compression"
_STACK: Final = (
    "a stack over depth or time beside its channels; save one picture of all channels (a projection, or one moment)"
)
_MANY: Final = f"more than {MAX_CHANNELS} channels"
_OME_NAME: Final = re.compile(r'<(?:\w+:)?Channel\b[^>]*?\bName="([^"]{1,200})"')
_OME_SIZE: Final = re.compile(r'\bSize([CZT])="(\d{1,9})"')
_ALPHA: Final = (1, 2)
_LONGEST_NAME: Final = 80


@dataclass(frozen=True)
class ChannelStack:
    """Samples of all channels of a TIFF.

    Attributes
    ----------
    samples : Samples
    n_pages : int
        Pictures of all channels that the file holds.
    orientation : int
        EXIF orientation, 1 to 8.
    """

    samples: Samples
    n_pages: int
    orientation: int


def read_channels(encoded: bytes, check_size: SizeCheck) -> ChannelStack | None:
    """All channels of an uncompressed TIFF, or None where it is an ordinary picture that Pillow reads.

    Parameters
    ----------
    encoded : bytes
        Content of the file.
    check_size : callable
        Called with width, height, samples of a pixel and bytes of a sample before any pixel is read; raises when they
        are refused.

    Raises
    ------
    UnsupportedPixelsError
        For several channels in compressed, floating-point, signed or otherwise foreign pages, and for a stack.
    """
    import tifffile

    with tifffile.TiffFile(io.BytesIO(encoded)) as tiff:
        first, n_pages = tiff.pages.first, count_tiff_pages(encoded)
        n_samples = int(first.samplesperpixel)
        n_declared, names = _declared(tiff)
        in_pages = n_samples == 1 and n_declared > 1
        if not in_pages and _is_ordinary(first, named=len(names) == n_samples):
            return None
        n_bytes = sample_size(first)[1]
        check_size(int(first.imagewidth), int(first.imagelength), max(n_samples, n_declared), n_bytes)
        if max(n_samples, n_declared) > MAX_CHANNELS:
            raise UnsupportedPixelsError(_MANY)
        pages = [first] if not in_pages else [tiff.pages[place] for place in range(min(n_declared, n_pages))]
        values = np.concatenate([_samples(page, first, len(encoded)) for page in pages], axis=2)
        if in_pages and len(pages) < n_declared:
            raise OSError(f"it declares {n_declared} channels and holds {n_pages} pages")
        turned = first.tags.get(274)
        known = names if len(names) == values.shape[2] == len(set(names)) else _usual(first, values.shape[2])
        return ChannelStack(Samples(values, known), n_pages // len(pages), 1 if turned is None else int(turned.value))


def _is_ordinary(page: Any, *, named: bool) -> bool:
    """Whether Pillow reads this page just as well: grey, or colours without names of their own."""
    n_samples = int(page.samplesperpixel)
    are_colours = int(page.photometric) != 1 and n_samples <= 4
    compressed = int(page.compression) != 1 and n_samples <= 4
    return n_samples == 1 or compressed or (are_colours and not named)


def _samples(page: Any, first: Any, n_bytes: int) -> Any:
    """Samples (height, width, n) of one page, which must look like the first."""
    if int(page.compression) != 1:
        raise UnsupportedPixelsError(_COMPRESSED)
    check_samples(page, n_bytes)
    if (page.shape, page.dtype) != (first.shape, first.dtype):
        raise UnsupportedPixelsError("pages of different sizes or types; save all channels alike")
    height, width, n_samples = int(page.imagelength), int(page.imagewidth), int(page.samplesperpixel)
    if int(page.planarconfig) == 2:
        return np.moveaxis(page.asarray().reshape(n_samples, height, width), 0, 2)
    return page.asarray().reshape(height, width, n_samples)


def _declared(tiff: Any) -> tuple[int, tuple[str, ...]]:
    """Number of channels that ImageJ's or OME's description declares, 1 without one, and their names.

    Raises
    ------
    UnsupportedPixelsError
        When it declares depth or time beside them.
    """
    if tiff.is_imagej:
        about = tiff.imagej_metadata or {}
        sizes = {axis: int(about.get(name, 1)) for axis, name in (("C", "channels"), ("Z", "slices"), ("T", "frames"))}
        found = about.get("Labels") or ()
    elif tiff.is_ome:
        text = str(tiff.ome_metadata)
        sizes = {axis: int(size) for axis, size in reversed(_OME_SIZE.findall(text))}  # those of the first image count
        found = _OME_NAME.findall(text)
    else:
        return 1, ()
    if sizes.get("C", 1) > 1 and max(sizes.get("Z", 1), sizes.get("T", 1)) > 1:
        raise UnsupportedPixelsError(_STACK)
    return sizes.get("C", 1), tuple(_shown(str(name)) for name in found)


def _shown(name: str) -> str:
    """Name without what could rewrite a terminal or part a list."""
    return "".join(sign if sign.isprintable() and sign != "," else " " for sign in name[:_LONGEST_NAME]).strip()


def _usual(page: Any, n_channels: int) -> tuple[str, ...]:
    """Names of channels without any: colours where the file says that they are colours, else numbers."""
    extra = [int(sample) for sample in page.extrasamples]
    if int(page.photometric) == 2 and n_channels == 3 + len(extra) and all(kind in _ALPHA for kind in extra[:1]):
        names = (*usual_names(min(n_channels, 4)), *(str(number) for number in range(5, n_channels + 1)))
        return names[:n_channels]
    return tuple(str(number + 1) for number in range(n_channels))
