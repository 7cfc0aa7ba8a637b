"""Tags of a DICOM file: those that a picture needs, read within bounds and without a word of what the others hold."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Any, Final

from headstart.data.images.bit_depth import UnsupportedPixelsError
from headstart.runtime.warnings import MutedWarnings

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

QUIET_DICOM: Final = MutedWarnings(r"pydicom")
PICTURE_TAGS: Final = (
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "WindowCenter", "WindowWidth"),
    *("VOILUTFunction", "VOILUTSequence", "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept"),
    *(
        f"{colour}PaletteColorLookupTable{what}"
        for colour in ("Red", "Green", "Blue")
        for what in ("Descriptor", "Data")
    ),
    *("SegmentedRedPaletteColorLookupTableData", "SegmentedGreenPaletteColorLookupTableData"),
    *("SegmentedBluePaletteColorLookupTableData", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("PixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
)
"""Names of what is read of a file that is shown; nothing of a patient is among them."""
_MAX_TAG_BYTES: Final = 32 << 20
_DEFLATED: Final = b"1.2.840.10008.1.2.1.99"
_PIXELS: Final = (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")


def read_tags(encoded: bytes, names: tuple[str, ...], *, with_pixels: bool) -> FileDataset:
    """The named tags of a file.

    Raises
    ------
    UnsupportedPixelsError
        When the file is deflated as a whole, so that a small one may become any size.
    OSError
        When its tags cannot be read, or take more than 32 MiB; the message holds nothing of them.
    """
    if _DEFLATED in encoded:
        raise UnsupportedPixelsError("a DICOM file that is deflated as a whole is not supported; save it uncompressed")
    places = [place for tag in _PIXELS if (place := encoded.find(tag)) >= 0]
    if min(places, default=len(encoded)) > _MAX_TAG_BYTES:
        raise OSError("its DICOM tags take more than 32 MiB")
    from pydicom import dcmread

    logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # its messages quote values
    try:
        with QUIET_DICOM:
            return dcmread(io.BytesIO(encoded), stop_before_pixels=not with_pixels, specific_tags=list(names))
    except MemoryError:
        raise
    except Exception:  # whatever a parser fed foreign bytes raises; its words may quote a patient
        raise OSError("its DICOM tags cannot be read") from None


def first_item(dataset: Any, *sequences: str) -> Any:
    """First item of nested sequences; None where one is missing."""
    for name in sequences:
        items = None if dataset is None else dataset.get(name)
        dataset = items[0] if items else None
    return dataset


def first_number(value: Any) -> float | None:
    """A number of a tag, the first of several; None for none."""
    if value is None or value == "":
        return None
    try:
        return float(value)
    except TypeError:
        return float(value[0]) if len(value) else None
