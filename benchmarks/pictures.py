"""Pictures for the benchmarks of speed: solar cells as they are, and photographs the size a phone takes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from headstart.samples.solar_cells import solar_cells

PHOTOGRAPH = (4000, 3000)
PHOTOGRAPH_QUALITY = 95
SENSOR_NOISE = 4.0  # standard deviation in grey levels, of a phone's camera by daylight
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket", "immunohistochemistry", "retina")


def write_cells(folder: Path, n_images: int) -> list[Path]:
    """Solar cells, 300 x 300 pixels, PNG, spread over the whole data set; in two class folders."""
    cells = solar_cells()
    rows = np.linspace(0, len(cells.names) - 1, n_images).round().astype(int)
    paths = []
    for row in rows:
        kind = folder / str(cells.cell_type[row])
        kind.mkdir(parents=True, exist_ok=True)
        paths.append(Path(shutil.copy(cells.folder / cells.names[row], kind)))
    return paths


def write_photographs(folder: Path, n_images: int, *, seed: int = 0) -> list[Path]:
    """JPEG files of 4,000 x 3,000 pixels: scikit-image's photographs, cut anew for each file, enlarged, with noise.

    Enlarged pictures alone would be smooth, and quick to decode; the noise gives a file the size a camera's has.
    """
    rng = np.random.default_rng(seed)
    noise = np.rint(rng.normal(0, SENSOR_NOISE, (PHOTOGRAPH[1], PHOTOGRAPH[0], 3))).astype(np.int16)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(n_images):
        picture = _cut(_photograph(PHOTOGRAPHS[number % len(PHOTOGRAPHS)]), rng)
        grain = np.roll(noise, tuple(rng.integers(0, 3000, 2)), axis=(0, 1))
        pixels = np.clip(np.asarray(picture.resize(PHOTOGRAPH, Image.Resampling.BICUBIC)) + grain, 0, 255)
        paths.append(folder / f"photograph{number:03}.jpg")
        Image.fromarray(pixels.astype(np.uint8)).save(paths[-1], quality=PHOTOGRAPH_QUALITY)
    return paths


def _photograph(name: str) -> Image.Image:
    import skimage.data

    return Image.fromarray(getattr(skimage.data, name)())


def _cut(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A piece with the sides 4 to 3, at most a fifth smaller than the largest there is."""
    width = min(picture.width, picture.height * 4 // 3) * rng.uniform(0.8, 1.0)
    left, top = rng.uniform(0, picture.width - width), rng.uniform(0, picture.height - width * 3 / 4)
    return picture.crop((round(left), round(top), round(left + width), round(top + width * 3 / 4)))
