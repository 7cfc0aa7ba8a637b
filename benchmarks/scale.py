"""100,000 small images through audit, extraction and near-duplicates: memory, speed, what ten more images cost.

Needs about 600 MB of disk in the folder for temporary files, and about four minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import table, write_results
from PIL import Image

from headstart.backbones.backbone import load_backbone
from headstart.data import ImageDataset, ImageResize
from headstart.data.audit.audit import audit_dataset
from headstart.engines.engine import decide_engine
from headstart.features.cache import FeatureCache
from headstart.features.extract import extract_features, n_cached
from headstart.features.extractor import Extractor
from headstart.workflow.job.audit import readable_part
from headstart.workflow.job.near_duplicates import find_near_duplicates

N_IMAGES = 100_000
LIMIT_MB = 1_500
_SIDE = 16
_INPUT = 32


def main() -> int:
    """Run the steps in one process; 1 when one of them takes more memory than it may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="5,000 images, to see that it runs; nothing is kept")
    n_images = 5_000 if parser.parse_args().quick else N_IMAGES
    folder = Path(tempfile.mkdtemp(prefix="headstart-scale-"))
    try:
        steps = _steps(folder, n_images)
    finally:
        shutil.rmtree(folder)
    base = steps[0]["peak_mb"]
    rows = [
        [step["step"], step["seconds"], f"{n_images / step['seconds']:,.0f}", step["peak_mb"], step["peak_mb"] - base]
        for step in steps
    ]
    print(table(["step", "seconds", "images/s", "peak resident, MB", "besides the model, MB"], rows))
    worst = max(step["peak_mb"] for step in steps) - base
    print(f"\nlargest beside the model: {worst:,} MB; limit {LIMIT_MB:,} MB")
    if n_images == N_IMAGES:
        write_results("scale", {"n_images": n_images, "steps": steps, "worst_mb": worst, "limit_mb": LIMIT_MB})
    return 0 if worst < LIMIT_MB else 1


def _steps(folder: Path, n_images: int) -> list[dict[str, Any]]:
    """Every step with its seconds and its peak of resident memory."""
    steps: list[dict[str, Any]] = []
    write_images(folder / "images", 0, n_images)
    extractor = _extractor()
    with _measured(steps, "network ready"):
        extract_features(ImageDataset.from_arrays(np.zeros((64, _SIDE, _SIDE, 3), np.uint8)), extractor)
    with _measured(steps, "reading the folder"):
        dataset = ImageDataset.from_folder(folder / "images")
    with _measured(steps, "audit"):
        audit = audit_dataset(dataset)
    images = readable_part(dataset, audit)
    with _measured(steps, "features, computed"):
        first = extract_features(images, extractor, cache=FeatureCache(folder / "cache"))
    mark = first[::997].copy()
    del first
    gc.collect()
    with _measured(steps, "features, from the cache"):
        features = extract_features(images, extractor, cache=FeatureCache(folder / "cache"))
    if features[::997].tobytes() != mark.tobytes():
        raise SystemExit("the cache gave back other features than were computed")
    with _measured(steps, "near_duplicates"):
        find_near_duplicates(images, audit, features)
    write_images(folder / "images", n_images, n_images + 10)
    grown = ImageDataset.from_folder(folder / "images")
    grown = grown.with_hashes([grown.content_hash(row) for row in range(len(grown))])
    n_new = len(grown) - n_cached(grown, extractor, FeatureCache(folder / "cache"))
    if n_new != 10:
        raise SystemExit(f"10 more images leave {n_new:,} to be computed")
    with _measured(steps, "features with 10 more images"):
        extract_features(grown, extractor, cache=FeatureCache(folder / "cache"))
    return steps


def write_images(folder: Path, start: int, stop: int) -> None:
    """Small PNG files of noise, in two class folders; every fiftieth is nearly the one before it."""
    for name in ("calm", "rough"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for row in range(start, stop):
        pixels = np.random.default_rng(row - (row % 50 == 1)).integers(0, 256, size=(_SIDE, _SIDE, 3), dtype=np.uint8)
        pixels[0, 0] ^= row % 50 == 1
        Image.fromarray(pixels).save(folder / ("calm", "rough")[row % 2] / f"{row:06d}.png", compress_level=1)


def _extractor() -> Extractor:
    """EfficientNet-Lite0 at a size that makes it quick: 1,280 numbers an image, 512 MB in all."""
    backbone = load_backbone("efficientnet_lite0", weights="random")
    preparation = ImageResize((_INPUT, _INPUT), interpolation=backbone.interpolation)
    return Extractor(backbone, preparation, decide_engine(device="cpu", batch_size=64))


@contextlib.contextmanager
def _measured(steps: list[dict[str, Any]], name: str) -> Iterator[None]:
    """Seconds of a block, and the most memory that this process held in it."""
    Path("/proc/self/clear_refs").write_text("5")  # peak counted anew: proc(5)
    start = time.perf_counter()
    yield
    seconds = round(time.perf_counter() - start, 2)
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    steps.append({"step": name, "seconds": max(seconds, 0.01), "peak_mb": round(peak * 1024 / 1e6)})
    print(f"{name}: {seconds} s, {steps[-1]['peak_mb']:,} MB", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))
    raise SystemExit(main())
