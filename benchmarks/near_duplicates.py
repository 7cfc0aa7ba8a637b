"""Near duplicates: which kinds of copy are found, and how many pairs are confirmed in the data as they are.

Copies of a sample of images are hidden in the data set one at a time; a copy counts as found when the audit's
perceptual hash makes it a candidate and the features confirm it. Runs on the solar cells, and on the folder PH2 where
``HEADSTART_TEST_DATA`` names the test data.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import table, write_results
from PIL import Image, ImageEnhance

from headstart.data import ImageDataset, read_dataset
from headstart.data.audit.audit import audit_dataset
from headstart.data.audit.perceptual_hash import MAX_HAMMING, perceptual_hash
from headstart.features.extract import extract_features
from headstart.features.extractor import Extractor
from headstart.features.near_duplicates import confirm_near_duplicates
from headstart.features.open import ExtractionSettings, open_extractor
from headstart.samples.solar_cells import INPUT_SIZE, solar_cells
from headstart.workflow.job.near_duplicates import find_near_duplicates
from headstart.workflow.job.sources import open_cache

SAMPLE = 60
SEED = 0


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue())).convert("RGB")


def _cut(image: Image.Image, share: float) -> Image.Image:
    width, height = image.size
    return image.crop((int(width * share), int(height * share), int(width * (1 - share)), int(height * (1 - share))))


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG, quality 90": lambda image: _jpeg(image, 90),
    "JPEG, quality 60": lambda image: _jpeg(image, 60),
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2), Image.Resampling.BICUBIC),
    "15 % brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "1 % cut off each side": lambda image: _cut(image, 0.01),
    "2.5 % cut off each side": lambda image: _cut(image, 0.025),
}


def measure(dataset: ImageDataset, extractor: Extractor) -> dict[str, Any]:
    """Pairs confirmed as the data are, and the share of hidden copies found."""
    audit = audit_dataset(dataset)
    dataset = dataset.with_hashes(audit.hashes)
    features = extract_features(dataset, extractor, cache=open_cache("default"))
    near_duplicates = find_near_duplicates(dataset, audit, features)
    rows = np.random.default_rng(SEED).choice(len(dataset), SAMPLE, replace=False).tolist()
    found = {name: _found(dataset, extractor, features, rows, change) for name, change in COPIES.items()}
    return {
        "n_images": len(dataset),
        "candidates": len(audit.candidates),
        "confirmed": len(near_duplicates.near),
        "pairs": [list(pair) for pair in near_duplicates.near],
        "sample": SAMPLE,
        "copies_found": found,
    }


def _found(
    dataset: ImageDataset,
    extractor: Extractor,
    features: np.ndarray,
    rows: list[int],
    change: Callable[[Image.Image], Image.Image],
) -> float:
    originals = [dataset.load(row) for row in rows]
    copies = [change(image) for image in originals]
    size = extractor.engine.batch_size
    pixels = np.stack([extractor.preparation.resized(copy) for copy in copies])
    computed = np.concatenate([extractor.compute(pixels[at : at + size]) for at in range(0, len(pixels), size)])
    hits = 0
    for row, original, copy, feature in zip(rows, originals, copies, computed, strict=True):
        bits = (perceptual_hash(original) ^ perceptual_hash(copy)).bit_count()
        extended = np.concatenate([features, feature[None]])
        hits += bits <= MAX_HAMMING and bool(confirm_near_duplicates(extended, [(row, len(features), bits)]))
    return hits / len(rows)


def main() -> int:
    """Measure and print; nothing here has a limit."""
    cells = solar_cells()
    results = {
        "ELPV": measure(
            cells.dataset(cells.probability > 0.5),
            open_extractor(ExtractionSettings(input_size=(INPUT_SIZE, INPUT_SIZE), offline=True)),
        )
    }
    folder = os.environ.get("HEADSTART_TEST_DATA")
    if folder:
        ph2 = read_dataset(Path(folder) / "ph2" / "labels.csv", columns={"label": "diagnosis"})
        results["PH2"] = measure(ph2, open_extractor(ExtractionSettings(offline=True)))
    write_results("near_duplicates", results)
    names = list(results)
    rows = [["candidates by perceptual hash", *(results[name]["candidates"] for name in names)]]
    rows += [["confirmed in feature space", *(results[name]["confirmed"] for name in names)]]
    rows += [[f"found: {kind}", *(f"{results[name]['copies_found'][kind]:.0%}" for name in names)] for kind in COPIES]
    print(table(["", *names], rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
