"""What the audit's groups are worth: fits with and without them, held against things that nobody has seen.

Six sets are divided by what truly belongs together before headstart sees anything: nuclei by micrograph (DSB2018),
pictures of windows by recording (SKAB), solar cells and lesions (PH2) in planted series of four pictures, Fashion-MNIST
in copies as made by augmentation before the split, simulated cells by wells that each have a light of their own. One
part goes to ``headstart fit`` twice, once as it is and once with the groups that the audit proposes; the rest is
what the model is judged on by ``headstart evaluate``. The interval with groups is to hold that score, and without
groups a warning must be there. ``HEADSTART_TEST_DATA`` names the folder of DSB2018, SKAB and PH2; ``--write-docs`` puts
the table into docs/leaks.md.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from audit import FASHION, frame, scrambled
from common import RESULTS, headstart, read, table, write_between, write_results
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from scipy.ndimage import center_of_mass

from headstart import signals
from headstart.cells.simulation.assay import DOSES_UM, SimulatedAssay
from headstart.data import read_dataset
from headstart.samples.solar_cells import solar_cells

SEED = 9_157
METRIC = "balanced_accuracy"
BURST_GAP_S = 10.0
LENGTH = 4
SIDE = 48
LEAST_HELD = 5
PAGE = Path(__file__).resolve().parents[1] / "docs" / "leaks.md"
START, END = "<!-- held out -->", "<!-- end of held out -->"
FIT = ("--input-size", "96", "--offline", "--quiet", "--no-baselines", "--no-explanations", "--no-images")
"""Options of every fit: pictures are small, and neither baselines nor heatmaps are asked for here."""
WARNINGS = ("run in series", "within 10 s", "have a near-duplicate")
"""Words of the warnings that tell of what was not kept together."""


@dataclass(frozen=True, eq=False)
class One:
    """One picture: its class, what it truly belongs to, its name, and when it was taken."""

    image: Image.Image
    label: str
    thing: str
    name: str
    taken_s: float | None = None


Pictures = Iterator[One]


def nuclei(root: Path, rng: np.random.Generator) -> Pictures:
    """Nuclei of 40 micrographs, larger than half of them all or smaller, at most a dozen of a micrograph."""
    cut: list[tuple[Image.Image, float, str, str]] = []
    for number, path in enumerate(sorted((root / "cells" / "dsb").glob("*_mask.png"))):
        micrograph = Image.open(path.with_name(path.name.replace("_mask", ""))).convert("RGB")
        masks = np.asarray(Image.open(path))
        areas = np.bincount(masks.ravel())
        numbers = np.flatnonzero(areas)[1:]
        drawn = np.sort(rng.choice(numbers, min(12, len(numbers)), replace=False))
        for cell, centre in zip(drawn.tolist(), center_of_mass(masks > 0, masks, drawn), strict=True):
            cut.append(
                (_around(micrograph, centre), float(areas[cell]), path.stem, f"m{number:02d}_cell{cell:03d}.png")
            )
    half = float(np.median([area for _, area, _, _ in cut]))
    for picture, area, thing, name in cut:
        yield One(picture, "large" if area > half else "small", thing, name)


def windows(root: Path, rng: np.random.Generator) -> Pictures:
    """Windows of a minute, half overlapping, of 16 recordings of a valve."""
    read = signals.read(root / "skab" / "valve1", window="60s", stride="30s", reference="300s")
    labels, groups = read.label_names(), np.asarray(read.groups)
    for row, name in enumerate(read.names):
        recording, _, offset = name.partition("@")
        taken = f"valve_{Path(recording).stem}_{float(offset.removesuffix('s')):04.0f}.png"
        yield One(read.load(row), labels[row], str(groups[row]), taken)


def series_of_cells(root: Path, rng: np.random.Generator) -> Pictures:
    """Solar cells, defective or not, each in four pictures a moment apart, numbered as a camera does."""
    cells = solar_cells()
    dataset = cells.dataset(cells.probability > 0.5)
    rows = rng.choice(len(dataset), 300, replace=False)
    labels = dataset.label_names()
    for number, row in enumerate(rows.tolist()):
        picture = dataset.load(row)
        for place in range(LENGTH):
            yield One(frame(picture, rng), labels[row], str(row), f"EL_{20_000 + 10 * number + place}.jpg")


def bursts_of_lesions(root: Path, rng: np.random.Generator) -> Pictures:
    """Lesions, melanoma or nevus, each in a burst of four pictures that only their EXIF times tell of."""
    dataset = read_dataset(root / "ph2" / "labels.csv", columns={"label": "diagnosis"})
    labels = dataset.label_names()
    for number, row in enumerate(rng.permutation(len(dataset)).tolist()):
        picture = dataset.load(row).reduce(2)
        for place in range(LENGTH):
            label = "melanoma" if labels[row] == "melanoma" else "nevus"
            name = f"{scrambled(LENGTH * number + place):08x}.jpg"
            yield One(frame(picture, rng), label, str(row), name, 600.0 * number + 2 * place)


def augmented_clothes(root: Path, rng: np.random.Generator) -> Pictures:
    """Shirts and T-shirts in four copies each, mirrored, turned, cut or lit otherwise before anything was split."""
    stored = {kind: gzip.decompress((FASHION / f"t10k-{kind}-ubyte.gz").read_bytes()) for kind in _FASHION_FILES}
    pixels = np.frombuffer(stored["images-idx3"], dtype=np.uint8, offset=16).reshape(-1, 28, 28)
    classes = np.frombuffer(stored["labels-idx1"], dtype=np.uint8, offset=8)
    rows = rng.choice(np.flatnonzero(np.isin(classes, list(_CLOTHES))), 400, replace=False)
    for number, row in enumerate(rows.tolist()):
        picture = Image.fromarray(pixels[row]).convert("RGB")
        for place in range(LENGTH):
            copy = _augmented(picture, rng) if place else picture
            yield One(copy, _CLOTHES[int(classes[row])], str(row), f"img{number:03d}_aug{place}.png")


_FASHION_FILES = ("images-idx3", "labels-idx1")
_CLOTHES = {0: "tshirt", 6: "shirt"}


def _augmented(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    mirrored = ImageOps.mirror(picture) if rng.integers(2) else picture
    turned = mirrored.rotate(float(rng.uniform(-12, 12)), Image.Resampling.BICUBIC)
    left, top = rng.integers(0, 4, 2).tolist()
    cut = turned.crop((left, top, left + 25, top + 25)).resize(picture.size, Image.Resampling.BICUBIC)
    return ImageEnhance.Brightness(cut).enhance(float(rng.uniform(0.8, 1.2)))


def cells_of_wells(root: Path, rng: np.random.Generator) -> Pictures:
    """Simulated cells, living or dead, of 60 wells that each have a gain, a background and a focus of their own."""
    assay = SimulatedAssay(n_micrographs=60, seed=int(rng.integers(1_000_000)))
    for number, field in enumerate(assay.fields()):
        gain, ground, focus = rng.lognormal(0.0, 0.3), rng.uniform(0, 60), rng.uniform(0.2, 1.6)
        scaled = np.clip(field.image / np.percentile(field.image, 99.7) * 150 * gain + ground, 0, 255)
        well = Image.fromarray(scaled.astype(np.uint8)).filter(ImageFilter.GaussianBlur(focus))
        name = f"{'BCDEFG'[number % len(DOSES_UM)]}{number // len(DOSES_UM) + 2:02d}"
        present = range(1, len(field.dead) + 1)
        for cell, centre in zip(present, center_of_mass(field.labels > 0, field.labels, present), strict=True):
            label = "dead" if field.dead[cell - 1] else "living"
            yield One(_around(well, centre).convert("RGB"), label, name, f"{name}_{cell:03d}.png")


def _around(micrograph: Image.Image, centre: Sequence[float]) -> Image.Image:
    left, top = round(centre[1]) - SIDE // 2, round(centre[0]) - SIDE // 2
    return micrograph.crop((left, top, left + SIDE, top + SIDE))


SETS: dict[str, tuple[Callable[[Path, np.random.Generator], Pictures], float]] = {
    "sizes of nuclei": (nuclei, 0.6),
    "windows by recording": (windows, 0.63),
    "solar cells in series": (series_of_cells, 0.25),
    "lesions in bursts": (bursts_of_lesions, 0.4),
    "clothes with copies": (augmented_clothes, 0.2),
    "cells by well": (cells_of_wells, 0.3),
}
"""How each set is made, and the share of its things that is given to the fit."""


def measure(name: str, seed: int) -> dict[str, Any]:
    """Scores that a fit claims with and without groups, the score on things unseen, and what was warned of."""
    make, share = SETS[name]
    rng = np.random.default_rng([seed, *name.encode()])
    pictures = list(make(Path(os.environ["HEADSTART_TEST_DATA"]), rng))
    things = sorted({one.thing for one in pictures})
    given = set(rng.permutation(things)[: round(share * len(things))].tolist())
    with tempfile.TemporaryDirectory() as place:
        root, cache = Path(place), Path(place) / "cache"
        seen = [one for one in pictures if one.thing in given]
        unseen = [one for one in pictures if one.thing not in given]
        _write(root / "seen", seen)
        _write(root / "unseen", unseen)
        groups = _proposed(root / "seen", cache)
        if groups is None:
            return {"n_images": len(seen), "n_things": len(given), "proposed": None}
        alone = _fit(root, "seen", "alone", [], cache)
        grouped = _fit(root, *groups, cache)
        _, judged = headstart("evaluate", str(root / "grouped"), str(root / "unseen"), "--json", "--quiet", cache=cache)
    score = json.loads(judged.stdout)["metrics"][METRIC]["value"]
    low, high = grouped["metrics"][METRIC]["ci95"]
    found = [words for words in alone["warnings"] if any(part in words for part in WARNINGS)]
    return {
        "n_images": len(seen),
        "n_things": len(given),
        "n_unseen": len(unseen),
        "proposed": groups[2],
        "n_groups": grouped["task"]["n_groups"],
        "claimed_without": _rounded(alone["metrics"][METRIC]["value"], *alone["metrics"][METRIC]["ci95"]),
        "claimed_with": _rounded(grouped["metrics"][METRIC]["value"], low, high),
        "unseen": round(score, 3),
        "holds": bool(low <= score <= high),
        "warned_without": found,
    }


def _rounded(*values: float) -> list[float]:
    return [round(value, 3) for value in values]


def _write(folder: Path, pictures: Sequence[One]) -> None:
    for one in pictures:
        path = folder / one.label / one.name
        path.parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        if one.taken_s is not None:
            exif[0x0132] = datetime.fromtimestamp(1_700_000_000 + one.taken_s, UTC).strftime("%Y:%m:%d %H:%M:%S")
        one.image.save(path, quality=90, exif=exif)


def _proposed(folder: Path, cache: Path) -> tuple[str, str, list[str]] | None:
    """Data, name of a run and options of a fit with the groups that ``headstart check`` proposes; None for none."""
    _, checked = headstart("check", str(folder), "--no-features", "--json", "--quiet", cache=cache)
    found = json.loads(checked.stdout)
    if found["series"] is not None:
        return folder.name, "grouped", ["--group-from", found["series"]["pattern"]]
    if any("within 10 s" in words for words in found["warnings"]):
        _write_bursts(folder)
        return f"{folder.name}/bursts.csv", "grouped", ["--group-column", "group"]
    return None


def _write_bursts(folder: Path) -> None:
    """A table of the images with a group for every burst, as the warning asks for it."""
    paths = sorted(folder.glob("*/*.jpg"))
    read = [Image.open(path).getexif()[0x0132] for path in paths]
    taken = [datetime.strptime(text, "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC).timestamp() for text in read]
    order = np.argsort(taken, kind="stable")
    bursts = np.empty(len(paths), dtype=int)
    bursts[order] = np.concatenate([[0], np.cumsum(np.diff(np.array(taken)[order]) > BURST_GAP_S)])
    with open(folder / "bursts.csv", "w", newline="", encoding="utf-8") as handle:
        rows = [(path.relative_to(folder).as_posix(), path.parent.name) for path in paths]
        writer = csv.writer(handle)
        writer.writerow(["image", "label", "group"])
        writer.writerows([*row, burst] for row, burst in zip(rows, bursts.tolist(), strict=True))


def _fit(root: Path, data: str, run: str, options: Sequence[str], cache: Path) -> dict[str, Any]:
    headstart("fit", str(root / data), "-o", str(root / run), *options, *FIT, cache=cache)
    return dict(json.loads((root / run / "results.json").read_text(encoding="utf-8")))


def main() -> int:
    """Measure every set and print the table; 1 when fewer than five intervals hold, or a warning is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=SETS, action="append", help="a set beside those kept; may be repeated")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--quick", action="store_true", help="one set; the targets do not count and nothing is kept")
    parser.add_argument("--write-docs", action="store_true", help="put the table into docs/leaks.md")
    arguments = parser.parse_args()
    names = arguments.only or (["clothes with copies"] if arguments.quick else list(SETS))
    found = {}
    for name in names:
        found[name] = measure(name, arguments.seed)
        print(json.dumps({name: found[name]}), flush=True)
    if arguments.seed == SEED and not arguments.quick:
        found = _kept(found)
    print(f"\n{_table(found)}", flush=True)
    if arguments.write_docs:
        write_between(PAGE, START, END, _table(found))
    held = sum(one.get("holds", False) for one in found.values())
    silent = [name for name, one in found.items() if not one.get("warned_without")]
    print(f"\nheld: {held} of {len(found)}; no warning without groups: {', '.join(silent) or 'none'}")
    return int(list(found) == list(SETS) and (held < LEAST_HELD or bool(silent)))


def _kept(found: dict[str, Any]) -> dict[str, Any]:
    """The sets measured now and, of the same seed, before; they are written together."""
    before = read("audit_heldout") if (RESULTS / "audit_heldout.json").is_file() else {}
    kept = before["sets"] if before.get("seed") == SEED else {}
    together = {name: (kept | found)[name] for name in SETS if name in kept | found}
    write_results("audit_heldout", {"seed": SEED, "sets": together})
    return together


def _table(found: dict[str, dict[str, Any]]) -> str:
    columns = [
        "set",
        "images",
        "groups found (true)",
        "claimed without groups",
        "claimed with them",
        "on things unseen",
        "held",
    ]
    rows: list[list[object]] = []
    for name, one in found.items():
        if one["proposed"] is None:
            rows.append([name, one["n_images"], "none proposed", "", "", "", "no"])
            continue
        claims = (f"{value:.3f} ({low:.3f} to {high:.3f})" for value, low, high in _claims(one))
        groups = f"{one['n_groups']} ({one['n_things']})"
        rows.append([name, one["n_images"], groups, *claims, f"{one['unseen']:.3f}", "yes" if one["holds"] else "no"])
    return table(columns, rows)


def _claims(one: dict[str, Any]) -> Iterator[list[float]]:
    yield one["claimed_without"]
    yield one["claimed_with"]


if __name__ == "__main__":
    raise SystemExit(main())
