"""Pictures near the bounds: CPU seconds of each, and the peak memory of a check of all of them on eight threads.

Their decoded size is that of the bound of 600 MB, or as large as the bound on the memory of decoders lets them be.
"""

from __future__ import annotations

import argparse
import os
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import tifffile
from common import write_results
from PIL import ExifTags, Image

from headstart.data.images.decode import decode_details

MAX_MEMORY_MB = 1_600
MAX_CPU_S = 5.0
N_THREADS = 8
_COLOUR_SIDE = 14_100
"""Side of a square picture of 8-bit colour of 596 MB."""
_ALPHA_SIDE = 12_200
"""Side of a square picture of 8-bit colour and alpha of 595 MB."""
_DEEP_SIDE = 9_900
"""Side of a square picture of 16-bit colour of 588 MB."""
_WEBP_SIDE = 9_400
"""Side of a square WebP, for which its decoder takes 1.4 GB."""


def write_pictures(folder: Path, share: float) -> list[Path]:
    """Pictures near the bounds, of many formats, modes and depths; `share` scales their sides."""
    side = int(_COLOUR_SIDE * share)
    picture = Image.fromarray(pattern(side))
    on_side = Image.Exif()
    on_side[ExifTags.Base.Orientation] = 6
    picture.save(folder / "colour.jpg", quality=90)
    picture.save(folder / "turned.jpg", quality=90, exif=on_side)
    picture.save(folder / "progressive.jpg", quality=90, progressive=True)
    picture.save(folder / "colour.png", compress_level=1)
    picture.save(folder / "colour.bmp")
    picture.save(folder / "colour.tif", compression="tiff_adobe_deflate")
    webp = picture.crop((0, 0, int(_WEBP_SIDE * share), int(_WEBP_SIDE * share)))
    webp.save(folder / "colour.webp", lossless=True, quality=0, method=0)
    del webp
    grey = picture.convert("L")
    grey.save(folder / "keyed.png", compress_level=1, transparency=0)
    picture = picture.crop((0, 0, int(_ALPHA_SIDE * share), int(_ALPHA_SIDE * share)))
    picture.putalpha(grey.crop((0, 0, *picture.size)))
    picture.save(folder / "alpha.png", compress_level=1)
    del picture, grey
    deep = pattern(int(_DEEP_SIDE * share)).astype(np.uint16) * 257
    (folder / "deep.png").write_bytes(deep_png(deep))
    tifffile.imwrite(folder / "deep.tif", deep, photometric="rgb", rowsperstrip=64)
    tifffile.imwrite(folder / "zipped_deep.tif", deep, photometric="rgb", rowsperstrip=64, compression="zlib")
    return sorted(folder.iterdir())


def pattern(side: int) -> np.ndarray:
    """Square picture of random patches of 8 x 8 pixels, repeated."""
    patches = np.random.default_rng(7).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    tile = np.kron(patches, np.ones((8, 8, 1), np.uint8))
    n_tiles = -(-side // len(tile))
    return np.tile(tile, (n_tiles, n_tiles, 1))[:side, :side]


def deep_png(pixels: np.ndarray) -> bytes:
    """PNG of 16-bit colour, rows unfiltered."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    height, width, _ = pixels.shape
    pack = zlib.compressobj(1)
    rows = [pack.compress(b"\0" + row.astype(">u2").tobytes()) for row in pixels]
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    body = b"".join([*rows, pack.flush()])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def cpu_seconds(path: Path) -> float:
    """CPU seconds of decoding one picture to 8-bit RGB."""
    encoded, start = path.read_bytes(), time.process_time()
    decode_details(encoded, path.name)
    return round(time.process_time() - start, 1)


def peak_memory_mb(folder: Path, n_threads: int) -> int:
    """Peak memory of ``headstart check`` on a folder of class folders."""
    command = [sys.executable, "-m", "headstart", "check", str(folder), "--no-features", "--threads", str(n_threads)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = process.stdout.read() if process.stdout else ""
    _, status, used = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise SystemExit(said)
    return used.ru_maxrss * 1_024 // 1_000_000


def main() -> int:
    """Measure and compare with the targets; 1 when one is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="pictures of a tenth of the side; keeps no figures")
    options = parser.parse_args()
    # The peak memory that the system tells of a child is at least that of the process which started it, so pictures are
    # made and decoded apart and this one stays small.
    apart = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    with tempfile.TemporaryDirectory() as name, apart:
        made = Path(name) / "made"
        made.mkdir()
        paths = apart.submit(write_pictures, made, 0.1 if options.quick else 1.0).result()
        seconds = {path.name: apart.submit(cpu_seconds, path).result() for path in paths}
        for label in ("calm", "rough"):
            (Path(name) / "data" / label).mkdir(parents=True)
            for path in paths:
                os.link(path, Path(name) / "data" / label / path.name)
        memory = peak_memory_mb(Path(name) / "data", N_THREADS)
    figures = {"cpu_s": seconds, "n_threads": N_THREADS, "n_pictures": 2 * len(seconds), "peak_memory_mb": memory}
    if not options.quick:
        write_results("bounds", figures)
    print(figures)
    return int(max(seconds.values()) > MAX_CPU_S or memory > MAX_MEMORY_MB)


if __name__ == "__main__":
    raise SystemExit(main())
