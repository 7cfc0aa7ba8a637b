"""Pictures near the bound of 600 MB decoded: CPU seconds of each, and the peak memory of a check on eight threads."""

from __future__ import annotations

import argparse
import os
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
import tifffile
from common import write_results
from PIL import Image

from headstart.data.images.decode import decode_details

MAX_MEMORY_MB = 1_600
MAX_CPU_S = 5.0
N_THREADS = 8
_BYTE_SIDE = 14_100
"""Side of a square picture of 8-bit colour of 596 MB."""
_DEEP_SIDE = 9_900
"""Side of a square picture of 16-bit colour of 588 MB."""
_SMALLER_DEEP_SIDE = 6_500


def write_pictures(folder: Path, share: float) -> list[Path]:
    """Pictures near the bound, of every format and depth; `share` scales their sides."""
    rng = np.random.default_rng(7)
    side, deep_side = int(_BYTE_SIDE * share), int(_DEEP_SIDE * share)
    tile = np.kron(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
    n_tiles = -(-side // len(tile))
    picture = Image.fromarray(np.tile(tile, (n_tiles, n_tiles, 1))[:side, :side])
    picture.save(folder / "colour.jpg", quality=90)
    picture.save(folder / "progressive.jpg", quality=90, progressive=True)
    picture.save(folder / "colour.png", compress_level=1)
    picture.save(folder / "colour.bmp")
    picture.save(folder / "colour.tif", compression="tiff_adobe_deflate")
    del picture
    for name, length in (("deep", deep_side), ("smaller_deep", int(_SMALLER_DEEP_SIDE * share))):
        n_tiles = -(-length // len(tile))
        deep = np.tile(tile.astype(np.uint16) * 257, (n_tiles, n_tiles, 1))[:length, :length]
        (folder / f"{name}.png").write_bytes(deep_png(deep))
        if name == "deep":
            tifffile.imwrite(folder / "deep.tif", deep, photometric="rgb", rowsperstrip=64)
    return sorted(folder.iterdir())


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
    return used.ru_maxrss // 1_000


def main() -> int:
    """Measure and compare with the targets; 1 when one is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="pictures of a tenth of the side; keeps no figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        made = Path(name) / "made"
        made.mkdir()
        paths = write_pictures(made, 0.1 if options.quick else 1.0)
        seconds = {path.name: cpu_seconds(path) for path in paths}
        for label in ("calm", "rough"):
            (Path(name) / "data" / label).mkdir(parents=True)
            for path in paths:
                os.link(path, Path(name) / "data" / label / path.name)
        memory = peak_memory_mb(Path(name) / "data", N_THREADS)
    figures = {"cpu_s": seconds, "n_threads": N_THREADS, "n_pictures": 2 * len(seconds), "peak_memory_mb": memory}
    if not options.quick:
        write_results("bounds", figures)
    print(figures)
    is_slow = any(took > MAX_CPU_S for file, took in seconds.items() if file != "deep.png")
    return int(is_slow or memory > MAX_MEMORY_MB)


if __name__ == "__main__":
    raise SystemExit(main())
