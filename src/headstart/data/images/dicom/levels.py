"""Levels of grey of stored DICOM values: rescaled, seen through the file's own window, 0 as black or as white.

The pipeline is that of DICOM PS3.3: modality (C.11.1), values of interest (C.11.2), photometric interpretation
(C.7.6.3.1.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.data.images.dicom.tags import first_item, first_number

WHITE_IS_ZERO = "MONOCHROME1"


@dataclass(frozen=True)
class Window:
    """Window of a file's tags, in rescaled values.

    Attributes
    ----------
    centre, width : float
    function : str
        ``LINEAR``, ``LINEAR_EXACT`` or ``SIGMOID``.
    """

    centre: float
    width: float
    function: str = "LINEAR"

    @classmethod
    def of(cls, dataset: Any) -> Window | None:
        """The first window of a file, or of its first frame; None where it has none that makes sense."""
        frame = first_item(dataset, "PerFrameFunctionalGroupsSequence", "FrameVOILUTSequence")
        shared = first_item(dataset, "SharedFunctionalGroupsSequence", "FrameVOILUTSequence")
        for tags in (dataset, frame, shared):
            if tags is None:
                continue
            centre, width = first_number(tags.get("WindowCenter")), first_number(tags.get("WindowWidth"))
            function = str(tags.get("VOILUTFunction") or "LINEAR").upper()
            least = 1 if function == "LINEAR" else 0
            if (
                centre is not None
                and width is not None
                and np.isfinite([centre, width]).all()
                and width >= max(least, 1e-6)
            ):
                return cls(centre, width, function)
        return None

    def share(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """How bright values are, from 0 to 1.

        >>> Window(50, 101).share(np.array([-9.0, 0.0, 49.5, 100.0])).round(3).tolist()
        [0.0, 0.005, 0.5, 1.0]
        """
        if self.function == "SIGMOID":
            return 1 / (1 + np.exp(np.clip(-4 * (values - self.centre) / self.width, -700, 700)))
        if self.function == "LINEAR_EXACT":
            return np.clip((values - self.centre) / self.width + 0.5, 0, 1)
        if self.width == 1:
            return (values > self.centre - 0.5).astype(np.float64)
        return np.clip((values - (self.centre - 0.5)) / (self.width - 1) + 0.5, 0, 1)


def grey_levels(dataset: Any, dtype: np.dtype[Any]) -> NDArray[np.uint8]:
    """Level of grey of every value that samples of a type can have, by its bits: 256 or 65,536 of them.

    Parameters
    ----------
    dataset : pydicom.Dataset
        Tags of the picture.
    dtype : numpy.dtype
        Of its samples: 8 or 16 bits, signed or not.
    """
    unsigned = np.dtype(f"u{dtype.itemsize}")
    stored = np.arange(2 ** (8 * dtype.itemsize)).astype(unsigned).view(dtype)
    values = _rescaled(stored, dataset)
    table, window = dataset.get("VOILUTSequence"), Window.of(dataset)
    if table:
        share = _looked_up(values, dataset)
    elif window is not None:
        share = window.share(values)
    else:
        share = _whole_range(stored, values, dataset)
    if dataset.PhotometricInterpretation == WHITE_IS_ZERO:
        share = 1 - share
    return np.floor(share * 255 + 0.5).astype(np.uint8)


def _rescaled(stored: NDArray[Any], dataset: Any) -> NDArray[np.float64]:
    """Values after the modality's table, or slope and intercept."""
    from pydicom.pixels.processing import apply_modality_lut

    if dataset.get("ModalityLUTSequence"):
        return np.asarray(apply_modality_lut(stored, dataset), dtype=np.float64)
    tags = dataset
    if dataset.get("RescaleSlope") is None:
        frame = first_item(dataset, "PerFrameFunctionalGroupsSequence", "PixelValueTransformationSequence")
        shared = first_item(dataset, "SharedFunctionalGroupsSequence", "PixelValueTransformationSequence")
        tags = frame or shared or dataset
    slope, intercept = first_number(tags.get("RescaleSlope")), first_number(tags.get("RescaleIntercept"))
    return stored.astype(np.float64) * (1.0 if slope is None else slope) + (intercept or 0.0)


def _looked_up(values: NDArray[np.float64], dataset: Any) -> NDArray[np.float64]:
    """Share of white by the table of values of interest."""
    from pydicom.pixels.processing import apply_voi

    entries = np.asarray(apply_voi(np.rint(values).astype(np.int64), dataset, index=0), dtype=np.float64)
    bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
    share: NDArray[np.float64] = np.clip(entries / (2**bits - 1), 0, 1)
    return share


def _whole_range(stored: NDArray[Any], values: NDArray[np.float64], dataset: Any) -> NDArray[np.float64]:
    """Share of white over all values that the stored bits can have, or all of a modality's table."""
    bits = int(dataset.BitsStored)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if stored.dtype.kind == "i" else (0, 2**bits - 1)
    inside = values if dataset.get("ModalityLUTSequence") else values[(stored >= low) & (stored <= high)]
    least, most = float(inside.min()), float(inside.max())
    return np.clip((values - least) / max(most - least, 1e-9), 0, 1)
