"""DICOM, by pydicom."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from headstart.data.images.formats import ImageFormat, register_format

if TYPE_CHECKING:
    from PIL import ImageFile


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
        may_lack_suffix=True,
        library="pydicom",
        extra="dicom",
    )
)
