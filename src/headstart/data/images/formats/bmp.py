"""BMP."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from headstart.data.images.formats import ImageFormat, register_format

if TYPE_CHECKING:
    from PIL import ImageFile


def open_bmp(handle: io.BytesIO) -> ImageFile.ImageFile:
    """Pillow's image of a BMP file, whose runs are decoded by `headstart.data.images.bmp_runs`."""
    from PIL import BmpImagePlugin

    from headstart.data.images.bmp_runs import with_fast_runs

    return with_fast_runs(BmpImagePlugin.BmpImageFile(handle))


def run_bytes(image: ImageFile.ImageFile, n_encoded: int) -> int:
    """Memory of decoded runs: a byte for each pixel, and as much again while it grows."""
    from headstart.data.images.bmp_runs import CODEC

    return 2 * image.width * image.height if any(tile.codec_name == CODEC for tile in image.tile) else 0


register_format(
    ImageFormat(
        "BMP",
        order=40,
        suffixes=(".bmp", ".dib"),
        declared_by=lambda encoded: encoded.startswith(b"BM"),
        open=open_bmp,
        decoder_bytes=run_bytes,
    )
)
