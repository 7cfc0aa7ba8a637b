"""Sixteen-bit TIFF without compression, whose samples are read where they lie in the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile, TiffImagePlugin

from headstart.data.images.bit_depth import DeepSamples, stored_size
from headstart.data.images.strips import row_strips

_BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _OFFSETS, _SAMPLES = 258, 259, 262, 266, 273, 277
_STRIP_ROWS, _PLANAR, _PREDICTOR, _TILES, _EXTRA, _SAMPLE_FORMAT = 278, 284, 317, 324, 338, 339
_USUAL: Final = ((_COMPRESSION, 1), (_FILL_ORDER, 1), (_PLANAR, 1), (_PREDICTOR, 1))
_WHITE_IS_ZERO: Final = 0
_CHANNELS: Final = {(0, 1): 1, (1, 1): 1, (2, 3): 3, (2, 4): 4}
"""Channels taken of each photometric interpretation and number of samples."""


def plain_strips(image: ImageFile.ImageFile, encoded: bytes) -> DeepSamples | None:
    """Samples of an opened TIFF, copied only as they are worked on; None for any other layout than the plainest.

    Parameters
    ----------
    image : PIL.ImageFile.ImageFile
        Opened, and never loaded.
    encoded : bytes
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return None
    tags: Any = image.tag_v2
    n_samples, extra = int(tags.get(_SAMPLES, 1)), tuple(tags.get(_EXTRA, ()))
    n_channels = _CHANNELS.get((tags.get(_PHOTOMETRIC), n_samples))
    is_usual = all(int(tags.get(tag, usual)) == usual for tag, usual in _USUAL) and _TILES not in tags
    are_unsigned = set(tags.get(_BITS, ())) == {16} and set(tags.get(_SAMPLE_FORMAT, (1,))) == {1}
    if n_channels is None or not is_usual or not are_unsigned or extra not in _extras(n_samples):
        return None
    taken = 3 if extra == (0,) else n_channels
    size = stored_size(image)
    return DeepSamples(size, taken, lambda: _strips(size, tags, encoded, n_samples, taken))


def _extras(n_samples: int) -> tuple[tuple[int, ...], ...]:
    """Meanings of samples beyond the colours that are known: none stated, nothing, alpha."""
    return ((), (0,), (2,)) if n_samples == 4 else ((),)


def _strips(
    size: tuple[int, int], tags: Any, encoded: bytes, n_samples: int, n_taken: int
) -> Iterator[NDArray[np.uint16]]:
    width, height = size
    stored = np.dtype("<u2" if encoded[:2] == b"II" else ">u2")
    row_bytes = 2 * width * n_samples
    rows_each = max(1, min(height, int(tags.get(_STRIP_ROWS, height))))
    offsets = tags.get(_OFFSETS, ())
    for number in range(-(-height // rows_each)):
        n_rows = min(rows_each, height - number * rows_each)
        start = int(offsets[number])
        for rows, _ in row_strips((width, n_rows)):
            begin, end = start + rows.start * row_bytes, start + rows.stop * row_bytes
            if end > len(encoded):
                raise OSError("the file ends before its pixels do")
            values = np.frombuffer(encoded, stored, (end - begin) // 2, begin).reshape(-1, width, n_samples)
            taken = values[..., :n_taken].astype(np.uint16)
            yield 65_535 - taken if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO else taken
