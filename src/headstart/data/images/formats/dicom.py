"""DICOM, by pydicom."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from headstart.data.images.formats import ImageFormat, register_format

if TYPE_CHECKING:
    from PIL import ImageFile

_FRAME_BYTES: Final = 200_000_000


def expected_bytes(encoded: bytes, n_encoded: int) -> int:
    """Memory of the file, pydicom's copy of its pixels, and a frame: no larger than the file, where nothing says."""
    return 2 * n_encoded + min(3 * n_encoded, _FRAME_BYTES)


def decoder_bytes(image: ImageFile.ImageFile, n_encoded: int) -> int:
    """Memory of pydicom's copy of the pixels, and of the stored samples of a frame."""
    return n_encoded + image.width * image.height * image.stored_bytes  # type: ignore[attr-defined, no-any-return]


def open_dicom(handle: io.BytesIO) -> ImageFile.ImageFile:
    """See `headstart.data.images.dicom.picture.DicomImageFile`."""
    from headstart.data.images.dicom.picture import DicomImageFile

    return DicomImageFile(handle)


register_format(
    ImageFormat(
        "DICOM",
        order=70,
        suffixes=(".dcm", ".dicom"),
        declared_by=lambda encoded: encoded[128:132] == b"DICM",
        open=open_dicom,
        decoder_bytes=decoder_bytes,
        expected_bytes=expected_bytes,
        may_lack_suffix=True,
        library="pydicom",
        extra="dicom",
    )
)
