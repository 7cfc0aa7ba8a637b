"""Run-length BMP, decoded as Pillow does it, run by run instead of pixel by pixel."""

from __future__ import annotations

from typing import Any, Final

from PIL import BmpImagePlugin, Image, ImageFile

CODEC: Final = "headstart bmp runs"
_MAX_RUNS: Final = 2_000_000


def with_fast_runs(image: ImageFile.ImageFile) -> ImageFile.ImageFile:
    """The opened image, which will be loaded by the decoder of this file where it is run-length coded."""
    image.tile = [tile._replace(codec_name=CODEC) if tile.codec_name == "bmp_rle" else tile for tile in image.tile]
    return image


class _RunDecoder(BmpImagePlugin.BmpRleDecoder):
    """Pillow's decoder, whose answers it gives, in time that goes with the size of the file."""

    def decode(self, buffer: Any) -> tuple[int, int]:
        """Decode the whole picture; a file that ends early is refused as damaged."""
        assert self.fd is not None
        data = _decoded_runs(self.fd.read(), self.fd.tell() % 2, self.state.xsize, self.state.ysize, self.args[1])
        raw_mode = "L" if self.mode in ("1", "L") else "P"
        self.set_as_raw(data, raw_mode, (0, self.args[-1]))
        return -1, 0


Image.register_decoder(CODEC, _RunDecoder)


def _decoded_runs(encoded: bytes, end_parity: int, width: int, height: int, has_half_bytes: bool) -> bytearray:
    """One byte for each pixel, bottom row first; fewer than the picture needs where the data end early.

    Parameters
    ----------
    encoded : bytes
        Runs, up to the end of the file.
    end_parity : int
        Whether the file ends at an odd place; absolute runs are padded to even ones.
    width, height : int
    has_half_bytes : bool
        Whether a byte holds two pixels.
    """
    data, n_needed = bytearray(), width * height
    place, column, n_runs = 0, 0, 0
    odd_start = (end_parity - len(encoded)) % 2
    while len(data) < n_needed and place + 2 <= len(encoded):
        n_runs += 1
        if n_runs > _MAX_RUNS:
            raise ValueError(f"more than the {_MAX_RUNS:,} runs allowed")
        count, value = encoded[place], encoded[place + 1]
        place += 2
        if count:
            count = min(count, max(0, width - column))
            pattern = bytes((value >> 4, value & 15)) if has_half_bytes else bytes((value, value))
            data += (pattern * ((count + 1) // 2))[:count]
            column += count
        elif value == 0:
            data += bytes(-len(data) % width)
            column = 0
        elif value == 1:
            break
        elif value == 2:
            if place + 2 > len(encoded):
                break
            data += bytes(min(n_needed - len(data), encoded[place] + encoded[place + 1] * width))
            column, place = len(data) % width, place + 2
        else:
            n_pixels = min(n_needed - len(data), value)
            n_bytes = (n_pixels + 1) // 2 if has_half_bytes else n_pixels
            piece = encoded[place : place + n_bytes]
            halves = bytes(half for byte in piece for half in (byte >> 4, byte & 15)) if has_half_bytes else piece
            data += halves[:n_pixels]
            if len(piece) < n_bytes or len(data) == n_needed:
                break
            column, place = column + value, place + n_bytes
            place += (place + odd_start) % 2
    return data
