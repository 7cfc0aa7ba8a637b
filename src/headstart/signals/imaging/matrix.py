"""`matrix`: the standardised values themselves, a band of rows for each channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.signals.imaging import register_imaging
from headstart.signals.pictures import as_colours, bands, grey_levels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@register_imaging("matrix", "channels down, time across, the value in grey", rows_are_channels=True)
def matrix(windows: NDArray[np.float32], period_s: float) -> NDArray[np.uint8]:
    """Pictures whose rows are the channels and whose columns are the samples."""
    grey = grey_levels(windows.transpose(0, 2, 1))
    return as_colours(bands(grey[..., None])[..., 0])
