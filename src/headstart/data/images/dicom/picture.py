"""The picture of a DICOM file, as Pillow opens pictures of other formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from headstart.data.images.bit_depth import UnsupportedPixelsError
from headstart.data.images.dicom.compressed import check_frame
from headstart.data.images.dicom.levels import WHITE_IS_ZERO, grey_levels
from headstart.data.images.dicom.tags import PICTURE_TAGS, QUIET_DICOM, read_tags

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

_GREY: Final = (WHITE_IS_ZERO, "MONOCHROME2")
_PALETTE: Final = "PALETTE COLOR"
_COLOUR: Final = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


class DicomImageFile(ImageFile.ImageFile):
    """First frame of a DICOM file in 8 bits: grey through its own window, or colour; see `docs/data.md`."""

    format = "DICOM"
    format_description = "DICOM"

    def _open(self) -> None:
        assert self.fp is not None  # of an image that is being opened
        self._tags: FileDataset | None = read_tags(self.fp.read(), PICTURE_TAGS, with_pixels=True)
        _check_picture(self._tags)
        self._size = int(self._tags.Columns), int(self._tags.Rows)
        self._mode = "L" if self._tags.PhotometricInterpretation in _GREY else "RGB"
        self.stored_bytes = int(self._tags.SamplesPerPixel) * -(-int(self._tags.BitsAllocated) // 8)
        self.n_frames = max(1, int(self._tags.get("NumberOfFrames") or 1))

    def load(self) -> Any:
        """Decode the first frame."""
        if self._tags is not None:
            with QUIET_DICOM:
                self.im = Image.fromarray(_shown(self._tags)).im
            self._tags = None
        return super().load()


def _check_picture(tags: FileDataset) -> None:
    """Refuse a file that is no picture, or one of another kind than those that are shown.

    Raises
    ------
    UnsupportedPixelsError
    """
    if "PixelData" not in tags or not tags.get("Rows") or not tags.get("Columns"):
        raise UnsupportedPixelsError("a DICOM file without a picture of whole numbers")
    kind, samples, bits = tags.get("PhotometricInterpretation"), tags.get("SamplesPerPixel"), tags.get("BitsAllocated")
    if kind not in (*_GREY, _PALETTE, *_COLOUR) or samples != (3 if kind in _COLOUR else 1):
        raise UnsupportedPixelsError("a DICOM picture of a photometric interpretation that is not supported")
    if bits not in (1, 8, 16):
        raise UnsupportedPixelsError(f"a DICOM picture of {bits} bits a sample; 1, 8 and 16 are supported")


def _shown(tags: FileDataset) -> NDArray[np.uint8]:
    """8-bit samples of the first frame, (height, width) or (height, width, 3)."""
    samples = _first_frame(tags)
    kind = tags.PhotometricInterpretation
    if kind in _GREY:
        shown: NDArray[np.uint8] = grey_levels(tags, samples.dtype)[samples.view(f"u{samples.dtype.itemsize}")]
        return shown
    if kind == _PALETTE:
        from pydicom.pixels.processing import apply_color_lut

        return _eight_bits(apply_color_lut(samples, tags), None)
    return _eight_bits(samples, int(tags.BitsStored))


def _eight_bits(samples: NDArray[Any], bits: int | None) -> NDArray[np.uint8]:
    """Colours as bytes: of so many bits, or of all that their type has."""
    white = 2 ** (bits or 8 * samples.dtype.itemsize) - 1
    if samples.dtype == np.uint8 and white == 255:
        return np.ascontiguousarray(samples)
    scale = np.floor(np.arange(2 ** (8 * samples.dtype.itemsize)) * (255 / white) + 0.5)
    scaled: NDArray[np.uint8] = np.clip(scale, 0, 255).astype(np.uint8)[samples]
    return scaled


def _first_frame(tags: FileDataset) -> NDArray[Any]:
    """Samples of the first frame, colours as RGB.

    Raises
    ------
    UnsupportedPixelsError
        When nothing that is installed decodes them.
    OSError
        When they are damaged.
    """
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.pixels.utils import pixel_array

    try:
        syntax = tags.file_meta.TransferSyntaxUID
        available = get_decoder(syntax).is_available
    except (AttributeError, NotImplementedError):
        raise UnsupportedPixelsError("a DICOM picture in a transfer syntax that is not supported") from None
    if not available:
        raise UnsupportedPixelsError(
            f"a DICOM picture compressed as {syntax.name}; decompress it (dcmdjpeg, gdcmconv --raw), or install "
            'decoders of pydicom: pip install "pylibjpeg[all]"'
        )
    try:
        if syntax.is_encapsulated:
            check_frame(tags)
        return np.asarray(pixel_array(tags, index=0))
    except MemoryError:
        raise
    except Exception:  # whatever decoders fed foreign bytes raise
        raise OSError("its pixels are cut off, or coded as nothing here decodes them") from None
