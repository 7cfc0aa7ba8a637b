"""The audit: planted copies, series and shortcuts, warnings of untouched sets, and 100,000 small files.

Pictures are those of PH2, of the solar cells, of Fashion-MNIST and tiles of fluorescence micrographs (DSB2018), as far
as they are at hand: ``HEADSTART_TEST_DATA`` names the folder of the first and the last. Copies of a sample of images
are hidden in each set: a copy counts as found when the audit and the features of the backbone would join it with its
original. Series are made of every image by small crops and changes of light, and named by ten schemes.
Labels of the shortcuts and of the untouched sets are drawn at random, so that every warning of the latter is false.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import table, write_results
from PIL import Image, ImageEnhance, ImageOps

from headstart.data import ImageDataset, audit_dataset, read_dataset
from headstart.data.audit.cropped.search import cropped_copies
from headstart.data.audit.perceptual_hash import MAX_HAMMING, near_pairs, symmetric_hashes, thumbnail
from headstart.data.audit.series import burst_warning, find_series
from headstart.data.audit.symmetric_copies import symmetric_copies
from headstart.data.groups import join_groups
from headstart.data.readers.table import groups_from_names
from headstart.features.extractor import Extractor
from headstart.features.near_duplicates import confirm_near_duplicates
from headstart.features.open import ExtractionSettings, open_extractor
from headstart.samples.solar_cells import solar_cells

SEED = 20_261
MAX_IMAGES = 400
SAMPLE = 40
N_FILES = 100_000
PARTS = ("copies", "series", "shortcuts", "untouched", "scale")
TARGET_RECALL, TARGET_LOOSE, TARGET_STRANGERS = 0.95, 0.85, 0.01
TARGET_MINUTES, TARGET_MB = 5.0, 700
FASHION = Path("/usr/share/datasets/fashion-mnist")
Pictures = list[Image.Image]
Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def picture_sets(*, quick: bool) -> dict[str, Pictures]:
    """Pictures of every set that is at hand, drawn at random where there are many."""
    rng = np.random.default_rng(SEED)
    n_images = 80 if quick else MAX_IMAGES
    cells = solar_cells()
    sets = {"solar cells": _drawn(cells.dataset(cells.probability > 0.5), n_images, rng)}
    root = os.environ.get("HEADSTART_TEST_DATA")
    if root:
        ph2 = read_dataset(Path(root) / "ph2" / "labels.csv", columns={"label": "diagnosis"})
        sets["PH2"] = _drawn(ph2, n_images, rng)
        sets["micrographs"] = _tiles(Path(root) / "cells" / "dsb")[:n_images]
    if FASHION.is_dir():
        stored = gzip.decompress((FASHION / "t10k-images-idx3-ubyte.gz").read_bytes())
        pixels = np.frombuffer(stored, dtype=np.uint8, offset=16).reshape(-1, 28, 28)
        rows = np.sort(rng.choice(len(pixels), n_images, replace=False))
        sets["Fashion-MNIST"] = [Image.fromarray(pixels[row]).convert("RGB") for row in rows.tolist()]
    return sets


def _drawn(dataset: ImageDataset, n_images: int, rng: np.random.Generator) -> Pictures:
    rows = np.sort(rng.choice(len(dataset), min(n_images, len(dataset)), replace=False))
    return [dataset.load(row) for row in rows.tolist()]


def _tiles(folder: Path) -> Pictures:
    """Tiles of 128 x 128 pixels that hold something, at most ten of a micrograph."""
    found: Pictures = []
    for path in sorted(folder.glob("*.png")):
        if not path.stem.endswith("_mask"):
            image = Image.open(path).convert("RGB")
            places = [(x, y) for y in range(0, image.height - 127, 128) for x in range(0, image.width - 127, 128)]
            tiles = [image.crop((x, y, x + 128, y + 128)) for x, y in places]
            found += [one for one in tiles if np.asarray(one.convert("L")).std() > 8][:10]
    return found


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue())).convert("RGB")


def _rotated(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Turned by 2 to 15 degrees either way, the corners filled with the mean."""
    angle = float(rng.uniform(2, 15) * rng.choice([-1, 1]))
    mean = tuple(int(value) for value in np.asarray(image).reshape(-1, 3).mean(axis=0))
    return image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=mean)


def _cropped(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A crop of 60 to 90 % of the area, anywhere."""
    side = float(np.sqrt(rng.uniform(0.6, 0.9)))
    width, height = round(image.width * side), round(image.height * side)
    left, top = int(rng.integers(0, image.width - width + 1)), int(rng.integers(0, image.height - height + 1))
    return image.crop((left, top, left + width, top + height))


def _cropped_and_rotated(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return _cropped(_rotated(image, rng), rng)


def _either(low: float, high: float, rng: np.random.Generator) -> float:
    return float(rng.uniform(low, high))


COPIES: dict[str, tuple[Change, float]] = {
    "mirrored": (lambda image, rng: ImageOps.mirror(image), TARGET_RECALL),
    "turned by 90 degrees": (lambda image, rng: image.transpose(Image.Transpose.ROTATE_90), TARGET_RECALL),
    "mirrored, JPEG quality 50 to 95": (
        lambda image, rng: _jpeg(ImageOps.mirror(image), int(rng.integers(50, 96))),
        TARGET_RECALL,
    ),
    "JPEG quality 50 to 95": (lambda image, rng: _jpeg(image, int(rng.integers(50, 96))), TARGET_RECALL),
    "brightness by up to 20 %": (
        lambda image, rng: ImageEnhance.Brightness(image).enhance(_either(0.8, 1.2, rng)),
        TARGET_RECALL,
    ),
    "contrast by up to 20 %": (
        lambda image, rng: ImageEnhance.Contrast(image).enhance(_either(0.8, 1.2, rng)),
        TARGET_RECALL,
    ),
    "turned by 2 to 15 degrees": (_rotated, TARGET_LOOSE),
    "crops of 60 to 90 %": (_cropped, TARGET_LOOSE),
    "such crops, turned by 2 to 15 degrees": (_cropped_and_rotated, TARGET_LOOSE),
    "such crops, turned and mirrored": (
        lambda image, rng: ImageOps.mirror(_cropped_and_rotated(image, rng)),
        TARGET_LOOSE,
    ),
}
"""Kinds of copy and the share that is to be found."""


def measure_copies(sets: dict[str, Pictures]) -> dict[str, Any]:
    """Share of hidden copies found in every set, and pairs of strangers joined."""
    extractor = open_extractor(ExtractionSettings(offline=True))
    return {name: _copies_of(pictures, extractor) for name, pictures in sets.items()}


def _copies_of(pictures: Pictures, extractor: Extractor) -> dict[str, Any]:
    rng = np.random.default_rng(SEED)
    thumbnails = np.stack([thumbnail(one) for one in pictures])
    features = _features(pictures, extractor)
    hashes = symmetric_hashes(thumbnails)
    candidates, _ = near_pairs(hashes[:, 0])
    near = confirm_near_duplicates(features, candidates)
    turned, cropped = symmetric_copies(thumbnails, hashes).pairs, cropped_copies(thumbnails).pairs
    rows = rng.choice(len(pictures), min(SAMPLE, len(pictures)), replace=False).tolist()
    found = {}
    for kind, (change, _) in COPIES.items():
        copies = [change(pictures[row], rng) for row in rows]
        computed = _features(copies, extractor)
        small = np.stack([thumbnail(copy) for copy in copies])
        laid_over = set(cropped_copies(np.concatenate([thumbnails, small])).pairs)  # all hidden at once
        hits = [
            (row, len(pictures) + number) in laid_over or _is_found(row, thumbnails, features, one, feature)
            for number, (row, one, feature) in enumerate(zip(rows, small, computed, strict=True))
        ]
        found[kind] = float(np.mean(hits))
    n_pairs = len(pictures) * (len(pictures) - 1) // 2
    joined = sorted({*near, *turned, *cropped})
    groups = join_groups(None, joined, len(pictures))
    return {
        "n_images": len(pictures),
        "found": found,
        "joined": len(joined),
        "joined_by_crops": len(cropped),
        "share_joined": len(joined) / n_pairs,
        "images_joined": len({row for pair in joined for row in pair}),
        "largest_group": int(np.bincount(groups).max()),
    }


def _features(pictures: Pictures, extractor: Extractor) -> np.ndarray:
    size = extractor.engine.batch_size
    pixels = np.stack([extractor.preparation.resized(one) for one in pictures])
    return np.concatenate([extractor.compute(pixels[at : at + size]) for at in range(0, len(pixels), size)])


def _is_found(row: int, thumbnails: np.ndarray, features: np.ndarray, copy: np.ndarray, feature: np.ndarray) -> bool:
    """Whether one copy behind the set would be joined with its original."""
    extended = np.concatenate([thumbnails, copy[None]])
    hashes = symmetric_hashes(extended[[row, -1]])[:, 0]
    bits = int(hashes[0] ^ hashes[1]).bit_count()
    near = bits <= MAX_HAMMING and bool(
        confirm_near_duplicates(np.concatenate([features, feature[None]]), [(row, len(thumbnails), bits)])
    )
    return near or (row, len(thumbnails)) in symmetric_copies(extended, symmetric_hashes(extended)).pairs


SCHEMES: dict[str, Callable[[int, int, int], str]] = {
    "img007_aug3": lambda one, k, i: f"{one % 2}/img{one:03d}_aug{k}.jpg",
    "P03_L_0041": lambda one, k, i: f"{one % 2}/P{one:03d}_{'LR'[k % 2]}_{i:04d}.png",
    "exp1_num_108719": lambda one, k, i: f"{one % 2}/exp{k + 1}_num_{108_000 + one * 13}.jpg",
    "scan 7 (2)": lambda one, k, i: f"{one % 2}/scan {one} ({k + 1}).png",
    "running frames": lambda one, k, i: f"{one % 2}/DSC{40_000 + 10 * one + k}.jpg",
    "sub-07_slice-2": lambda one, k, i: f"all/sub-{one:03d}_slice-{k:02d}.png",
    "cell7img2": lambda one, k, i: f"{one % 2}/cell{one}img{k}.png",
    "tile x, y": lambda one, k, i: f"{one % 2}/mosaic{one:03d}_x{k % 2}_y{k // 2}.tif",
    "folder of a case": lambda one, k, i: f"{one % 2}/case{one:03d}/{k:03d}.png",
    "EXIF times": lambda one, k, i: f"{one % 2}/{scrambled(i):08x}.jpg",
}
"""Names of series by the number of the series, the place in it, and a running number."""
LENGTH = 4


def scrambled(number: int) -> int:
    return (number * 2_654_435_761) % (1 << 32)


def measure_series(sets: dict[str, Pictures]) -> dict[str, Any]:
    """Naming schemes whose series are found whole in every set, and proposals on 20 sets of random names."""
    return {name: _series_of(pictures) for name, pictures in sets.items()}


def _series_of(pictures: Pictures) -> dict[str, Any]:
    rng = np.random.default_rng(SEED)
    pictures = pictures[:100]
    frames = [frame(one, rng) for one in pictures for _ in range(LENGTH)]
    thumbnails = np.stack([thumbnail(one) for one in frames])
    series = np.repeat(np.arange(len(pictures)), LENGTH)
    labels = series % 2
    found = {}
    for scheme, naming in SCHEMES.items():
        names = [naming(one, row % LENGTH, row) for row, one in enumerate(series.tolist())]
        if scheme == "EXIF times":
            times = [600.0 * one + 2 * (row % LENGTH) for row, one in enumerate(series.tolist())]
            found[scheme] = burst_warning(times, thumbnails, labels) is not None
            continue
        proposed = find_series(names, thumbnails, labels)
        found[scheme] = proposed is not None and _keeps(names, proposed.pattern, series)
    false = sum(find_series(_random_names(seed, labels), thumbnails, labels) is not None for seed in range(20))
    return {"n_images": len(frames), "found": found, "false_of_20": false}


def frame(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The same subject a moment later: 2 to 6 % cut away on one side, another light, another compression."""
    left, top = (rng.uniform(0.02, 0.06, 2) * image.size).astype(int).tolist()
    moved = image.crop((left, top, image.width, image.height)).resize(image.size)
    return _jpeg(ImageEnhance.Brightness(moved).enhance(_either(0.9, 1.1, rng)), int(rng.integers(70, 96)))


def _keeps(names: list[str], pattern: str, series: np.ndarray) -> bool:
    """Whether the pattern keeps every series whole, in groups of at most four series."""
    codes = groups_from_names(names, pattern).codes
    whole = all(len(np.unique(codes[series == one])) == 1 for one in np.unique(series))
    return whole and max(len(np.unique(series[codes == code])) for code in np.unique(codes)) <= 4


def _random_names(seed: int, labels: np.ndarray) -> list[str]:
    rng = np.random.default_rng([SEED, seed])
    order = rng.permutation(len(labels)).tolist()
    kinds: tuple[Callable[[int], str], ...] = (
        lambda row: f"{labels[row]}/{rng.bytes(4).hex()}.png",
        lambda row: f"{labels[row]}/IMG_{order[row]:04d}.jpg",
        lambda row: f"all/P{rng.integers(60)}_{rng.integers(9_999)}.jpg",
        lambda row: f"{labels[row]}/{rng.integers(90)}-{row}.jpg",
    )
    return [kinds[seed % 4](row) for row in range(len(labels))]


def _plain(image: Image.Image, path: Path, code: int, rng: np.random.Generator) -> None:
    image.save(path, quality=90)


def _sized(image: Image.Image, path: Path, code: int, rng: np.random.Generator) -> None:
    share = rng.normal(1.0 - 0.15 * code, 0.05)
    image.resize((max(8, round(image.width * share)), max(8, round(image.height * share)))).save(path, quality=90)


def _framed(image: Image.Image, path: Path, code: int, rng: np.random.Generator) -> None:
    (ImageOps.expand(ImageOps.crop(image, 3), 3, (250, 250, 250)) if code else image).save(path, quality=90)


def _recompressed(image: Image.Image, path: Path, code: int, rng: np.random.Generator) -> None:
    image.save(path, quality=int(rng.choice([75, 85, 95], p=[0.1, 0.2, 0.7] if code else [0.7, 0.2, 0.1])))


def _photographed(image: Image.Image, path: Path, code: int, rng: np.random.Generator) -> None:
    exif = Image.Exif()
    exif[0x0110] = "first" if rng.uniform() < (0.9 if code else 0.1) else "second"
    image.save(path, quality=90, exif=exif)


SHORTCUTS: dict[str, tuple[Callable[..., None], tuple[str, ...]]] = {
    "size": (_sized, ("width", "height", "size in pixels")),
    "border": (_framed, ("border colour",)),
    "compression": (_recompressed, ("compression tables",)),
    "camera": (_photographed, ("camera",)),
    "table column": (_plain, ("table column 'site'",)),
}
"""What is planted, and the words of a warning that names it."""
_ABOUT = (
    "Facts about the files",
    "The names of the files",
    "alone tells",
    "table column",
    "run in series",
    "within 10 s",
)


def measure_shortcuts(sets: dict[str, Pictures]) -> dict[str, Any]:
    """Whether every planted shortcut is named, in every set."""
    found: dict[str, Any] = {}
    for name, pictures in sets.items():
        found[name] = {}
        for kind, (save, words) in SHORTCUTS.items():
            warnings = _warnings(pictures[:200], save, SEED, column=kind == "table column")
            found[name][kind] = any(word in warning for warning in warnings for word in words)
    return found


def measure_untouched(sets: dict[str, Pictures], *, n_draws: int) -> dict[str, Any]:
    """Warnings of shortcuts, series and copies in sets whose labels are drawn at random and names shuffled."""
    found: dict[str, Any] = {}
    for name, pictures in sets.items():
        draws = [_warnings(pictures[:200], _plain, SEED + draw) for draw in range(n_draws)]
        false = [[words for words in warnings if any(about in words for about in _ABOUT)] for warnings in draws]
        found[name] = {
            "n": n_draws,
            "warned": sum(bool(one) for one in false),
            "words": [w for one in false for w in one],
        }
    return found


def _warnings(pictures: Pictures, save: Callable[..., None], seed: int, *, column: bool = False) -> tuple[str, ...]:
    """Warnings of the audit on pictures in one folder with a table, labels drawn at random."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(len(pictures)) % 2).tolist()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        lines = ["image,label,site"]
        for row, (image, code) in enumerate(zip(pictures, labels, strict=True)):
            name = f"{scrambled(row + seed):08x}.jpg"
            save(image, root / name, code, rng)
            lines.append(f"{name},{'ab'[code]},{'north' if (code if column else rng.integers(2)) else 'south'}")
        (root / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        dataset = read_dataset(root / "labels.csv", table_columns=["site"])
        return audit_dataset(dataset).judged(np.asarray(dataset.labels)).warnings


def measure_scale(*, n_files: int) -> dict[str, Any]:
    """Seconds and memory of ``headstart check --no-features`` on small files in two class folders."""
    with tempfile.TemporaryDirectory() as place:
        for row, blocks in enumerate(_blocks(n_files)):
            path = Path(place) / f"class{row % 2}" / f"{row // 1000:03d}" / f"{row:06d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(blocks).resize((32, 32), Image.Resampling.BILINEAR).save(path, compress_level=1)
        start = time.perf_counter()
        probe = (
            "import json, resource, sys; from headstart.cli.main import main\n"
            "try: main()\n"
            "except SystemExit: pass\n"
            "used = resource.getrusage(resource.RUSAGE_SELF)\n"
            "print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]), file=sys.stderr)"
        )
        command = [sys.executable, "-c", probe, "check", place, "--no-features", "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        wall_s = time.perf_counter() - start
    cpu_s, peak_mb = json.loads(done.stderr.strip().splitlines()[-1])
    return {"n_files": n_files, "wall_s": round(wall_s, 1), "cpu_s": round(cpu_s, 1), "peak_mb": round(peak_mb)}


def _blocks(n_files: int) -> Iterator[np.ndarray]:
    for row in range(n_files):
        yield np.random.default_rng([SEED, row]).integers(0, 255, (6, 6, 3), dtype=np.uint8)


def main() -> int:
    """Measure the parts asked for and print them; 1 when one misses what it must reach."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="a part; may be repeated [default: all]")
    parser.add_argument("--quick", action="store_true", help="fewer images and files; the targets do not count")
    arguments = parser.parse_args()
    parts = arguments.only or list(PARTS)
    sets = {} if parts == ["scale"] else picture_sets(quick=arguments.quick)
    measures: dict[str, Callable[[], dict[str, Any]]] = {
        "copies": lambda: measure_copies(sets),
        "series": lambda: measure_series(sets),
        "shortcuts": lambda: measure_shortcuts(sets),
        "untouched": lambda: measure_untouched(sets, n_draws=2 if arguments.quick else 5),
        "scale": lambda: measure_scale(n_files=2_000 if arguments.quick else N_FILES),
    }
    missed = []
    for part in parts:
        found = measures[part]()
        missed += [f"{part}: {words}" for words in MISSED[part](found)]
        if not arguments.quick:
            write_results(f"audit_{part}", {part: found})
        print(f"\n### {part}\n\n{TABLES[part](found)}", flush=True)
    print("\nmissed:", "; ".join(missed) or "nothing")
    return int(bool(missed) and not arguments.quick)


def _missed_copies(found: dict[str, Any]) -> Iterator[str]:
    for name, one in found.items():
        yield from (f"{kind} in {name}" for kind, (_, least) in COPIES.items() if one["found"][kind] < least)
        if one["share_joined"] > TARGET_STRANGERS:
            yield f"strangers joined in {name}"


def _missed_series(found: dict[str, Any]) -> Iterator[str]:
    for name, one in found.items():
        if sum(one["found"].values()) < 9 or one["false_of_20"]:
            yield name


def _missed_shortcuts(found: dict[str, Any]) -> Iterator[str]:
    for name, one in found.items():
        yield from (f"{kind} in {name}" for kind, is_named in one.items() if not is_named)


def _missed_untouched(found: dict[str, Any]) -> Iterator[str]:
    if sum(one["warned"] for one in found.values()) > sum(one["n"] for one in found.values()) / 10:
        yield "false warnings"


def _missed_scale(found: dict[str, Any]) -> Iterator[str]:
    if found["wall_s"] > 60 * TARGET_MINUTES:
        yield "minutes"
    if found["peak_mb"] > TARGET_MB:
        yield "memory"


MISSED: dict[str, Callable[[dict[str, Any]], Iterator[str]]] = {
    "copies": _missed_copies,
    "series": _missed_series,
    "shortcuts": _missed_shortcuts,
    "untouched": _missed_untouched,
    "scale": _missed_scale,
}


def _copies_table(found: dict[str, Any]) -> str:
    rows: list[list[object]] = [[kind, *(f"{one['found'][kind]:.0%}" for one in found.values())] for kind in COPIES]
    rows.append(
        ["pairs of strangers joined", *(f"{one['joined']} ({one['share_joined']:.2%})" for one in found.values())]
    )
    rows.append(["images in groups so joined", *(one["images_joined"] for one in found.values())])
    rows.append(["images of the largest group", *(one["largest_group"] for one in found.values())])
    return table(["share found", *(f"{name}, {one['n_images']} images" for name, one in found.items())], rows)


def _series_table(found: dict[str, Any]) -> str:
    rows: list[list[object]] = [
        [kind, *("yes" if one["found"][kind] else "no" for one in found.values())] for kind in SCHEMES
    ]
    rows.append(["random names, proposals on 20 sets", *(one["false_of_20"] for one in found.values())])
    return table(["naming", *found], rows)


def _shortcuts_table(found: dict[str, Any]) -> str:
    rows = [[kind, *("named" if one[kind] else "missed" for one in found.values())] for kind in SHORTCUTS]
    return table(["planted", *found], rows)


def _untouched_table(found: dict[str, Any]) -> str:
    return table(["set", "warned"], [[name, f"{one['warned']} of {one['n']}"] for name, one in found.items()])


def _scale_table(found: dict[str, Any]) -> str:
    return table(list(found), [list(found.values())])


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "copies": _copies_table,
    "series": _series_table,
    "shortcuts": _shortcuts_table,
    "untouched": _untouched_table,
    "scale": _scale_table,
}


if __name__ == "__main__":
    raise SystemExit(main())
