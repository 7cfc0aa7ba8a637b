"""Which decoder turns a JPEG or PNG into the network's pixels soonest, and whether the pixels are the same.

Run ``python benchmarks/decoders.py`` in an environment that has headstart and some of opencv-python-headless,
simplejpeg, PyTurboJPEG, imagecodecs and pyvips; those that are missing are left out. Processor time, not wall time, so
that other work on the machine disturbs it little. `docs/decisions/0007-decoder.md` draws on it.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from common import machine, table, write_results
from PIL import Image

from headstart.data.image_resize import ImageResize
from headstart.data.images.free_memory import PILLOW_BLOCKS

N_REPEATS = 15
SIDE = 224

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Decode = Callable[[bytes], Pixels]


@dataclass(frozen=True)
class Way:
    """One way to do a piece of work: the package that does it, how, and whether Pillow keeps its memory meanwhile."""

    package: str
    label: str
    run: Callable[[Any], Any]
    kept: bool = False


def grain(height: int, width: int, *, channels: int, seed: int = 0) -> Pixels:
    """A picture with soft shapes, edges and sensor grain: as hard to compress as a photograph."""
    rng = np.random.default_rng(seed)
    soft = Image.fromarray(rng.integers(30, 220, (12, 16, channels), dtype=np.uint8).squeeze())
    pixels = np.asarray(soft.resize((width, height), Image.Resampling.BICUBIC)).reshape(height, width, channels)
    rows, columns = np.mgrid[:height, :width]
    edges = 25 * (((rows // 37) + (columns // 53)) % 2)[..., None]
    noise = rng.normal(0, 4, (height, width, channels))
    return np.clip(pixels + edges + noise, 0, 255).astype(np.uint8)


def encoded(pixels: Pixels, kind: str, **options: Any) -> bytes:
    """Bytes of a file with these pixels."""
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(buffer, kind, **options)
    return buffer.getvalue()


def pictures() -> dict[str, bytes]:
    """The files that are decoded."""
    return {
        "PNG 300x300 grey": encoded(grain(300, 300, channels=1), "PNG"),
        "PNG 300x300 RGB": encoded(grain(300, 300, channels=3), "PNG"),
        "JPEG 765x575": encoded(grain(575, 765, channels=3), "JPEG", quality=90),
        "JPEG 4000x3000": encoded(grain(3000, 4000, channels=3), "JPEG", quality=90),
    }


def pillow(content: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def ways_to_decode(kind: str) -> list[Way]:
    """Decoders of one format; each gives RGB."""
    ways = [Way("pillow", "Pillow", pillow), Way("pillow", "Pillow, memory kept", pillow, kept=True)]
    if kind == "JPEG":
        ways += [Way(*row) for row in (("simplejpeg", "simplejpeg", _simplejpeg), ("PyTurboJPEG", "turbojpeg", _turbo))]
    codec = "jpeg_decode" if kind == "JPEG" else "png_decode"
    ways += [
        Way("opencv-python-headless", "OpenCV", _opencv),
        Way("imagecodecs", f"imagecodecs {codec}", lambda content: _codec(codec, content)),
        Way("pyvips", "libvips", _vips),
    ]
    if kind == "PNG":
        ways.append(Way("imagecodecs", "imagecodecs spng", lambda content: _codec("spng_decode", content)))
    return ways


def _simplejpeg(content: bytes) -> Pixels:
    return importlib.import_module("simplejpeg").decode_jpeg(content, "RGB", fastdct=False, fastupsample=False)


def _turbo(content: bytes) -> Pixels:
    turbojpeg = importlib.import_module("turbojpeg")
    return turbojpeg.TurboJPEG().decode(content, pixel_format=turbojpeg.TJPF_RGB)


def _opencv(content: bytes) -> Pixels:
    cv2 = importlib.import_module("cv2")
    cv2.setNumThreads(1)
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def _codec(function: str, content: bytes) -> Pixels:
    pixels = getattr(importlib.import_module("imagecodecs"), function)(content)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def _vips(content: bytes) -> Pixels:
    pyvips = importlib.import_module("pyvips")
    return pyvips.Image.new_from_buffer(content, "").colourspace("srgb").numpy()


def ways_to_read(kind: str) -> list[Way]:
    """From the bytes to the network's square of pixels, each as its package does it best."""
    exact, fast = ImageResize((SIDE, SIDE)), ImageResize((SIDE, SIDE), decode="fast")
    ways = [
        Way("pillow", "headstart, exact", lambda content: exact.read(content, "x"), kept=True),
        Way("pillow", "headstart, fast", lambda content: fast.read(content, "x"), kept=True),
        Way("pillow", "Pillow, plainly", lambda content: _pillow_resize(pillow(content), None)),
    ]
    if kind == "JPEG":
        mixed = Way(
            "simplejpeg", "simplejpeg + Pillow", lambda content: _pillow_resize(_simplejpeg(content), None), kept=True
        )
        ways.append(mixed)
    ways.append(Way("opencv-python-headless", "OpenCV, area", lambda content: _opencv_resize(_opencv(content))))
    ways.append(Way("pyvips", "libvips thumbnail", _vips_thumbnail))
    return ways


def _vips_thumbnail(content: bytes) -> Pixels:
    pyvips = importlib.import_module("pyvips")
    picture = pyvips.Image.thumbnail_buffer(content, SIDE, height=SIDE, size="force", no_rotate=True)
    return picture.colourspace("srgb").numpy()


def ways_to_resize() -> list[Way]:
    """Resizers from RGB pixels to the network's square; all widen the filter as the picture shrinks."""
    return [
        Way("pillow", "Pillow bilinear", lambda p: _pillow_resize(p, None)),
        Way("pillow", "Pillow bilinear, reducing_gap=3", lambda p: _pillow_resize(p, 3.0)),
        Way("opencv-python-headless", "OpenCV area", _opencv_resize),
        Way("pyvips", "libvips linear", _vips_resize),
    ]


def _pillow_resize(pixels: Pixels, gap: float | None) -> Pixels:
    image = Image.fromarray(pixels)
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=gap))


def _opencv_resize(pixels: Pixels) -> Pixels:
    cv2 = importlib.import_module("cv2")
    return cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def _vips_resize(pixels: Pixels) -> Pixels:
    pyvips = importlib.import_module("pyvips")
    image = pyvips.Image.new_from_array(pixels)
    return image.resize(SIDE / image.width, vscale=SIDE / image.height, kernel="linear").numpy()


def measured(ways: list[Way], argument: Any) -> list[dict[str, Any]]:
    """Seconds of every way that is installed, and how far its pixels lie from the first one's."""
    rows = []
    reference: Pixels | None = None
    for way in ways:
        try:
            version = importlib.metadata.version(way.package)
            pixels = way.run(argument)
        except (importlib.metadata.PackageNotFoundError, ImportError, OSError, RuntimeError) as error:
            print(f"left out: {way.label} ({type(error).__name__}: {str(error).splitlines()[0]})")
            continue
        reference = pixels if reference is None else reference
        with PILLOW_BLOCKS if way.kept else contextlib.nullcontext():
            seconds = sorted(_seconds(way.run, argument) for _ in range(N_REPEATS))
        rows.append({"way": way.label, "version": version, "median_ms": round(1000 * seconds[N_REPEATS // 2], 3)})
        rows[-1] |= {"least_ms": round(1000 * seconds[0], 3), "difference": _difference(pixels, reference)}
    return rows


def _seconds(run: Callable[[Any], Any], argument: Any) -> float:
    start = time.process_time()
    run(argument)
    return time.process_time() - start


def _difference(pixels: Pixels, reference: Pixels) -> str:
    if pixels.shape != reference.shape:
        return f"{pixels.shape[1]}x{pixels.shape[0]} pixels"
    apart = np.abs(pixels.astype(np.int16) - reference)
    return "none" if not apart.any() else f"mean {apart.mean():.3f}, most {apart.max()}"


def main() -> None:
    files = pictures()
    found = {f"decode {name}": measured(ways_to_decode(name.split()[0]), content) for name, content in files.items()}
    for name, content in files.items():
        found[f"read {name} to {SIDE}x{SIDE}"] = measured(ways_to_read(name.split()[0]), content)
    for name in ("JPEG 765x575", "JPEG 4000x3000"):
        found[f"resize {name.split()[1]} to {SIDE}x{SIDE}"] = measured(ways_to_resize(), pillow(files[name]))
    for title, rows in found.items():
        print(f"\n{title} ({machine()['processor']}, processor time, {N_REPEATS} repeats)")
        print(table(list(rows[0]), [list(row.values()) for row in rows]))
    write_results("decoders", {"n_repeats": N_REPEATS, "work": found})


if __name__ == "__main__":
    main()
