"""From files to features: images per second end to end, against what decoding and engine would allow.

Decoding and the engine are measured alone in the same run, in core seconds per image: processor time of the process,
all threads together, on all cores at once, so that time spent waiting counts for neither. With n cores the two together
allow n / (engine + decoding) images per second; end to end, without a cache, must reach 0.85 of that. Reading is what
both include: the file's bytes, decoding, turning upright, resizing. Hashing, threads, batches and waiting are the
pipeline's own affair and count against it. Every round takes decoding, engine and end to end in turn; the ratio is the
median of the rounds' own. The engine is the fastest one, which is the hardest to feed: OpenVINO in bf16 where the
machine has it. About 5 minutes on two cores; ``--quick`` about one, without judging targets.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from common import table, write_results
from pictures import write_cells, write_photographs
from timing import Spell, in_turn, keep_busy, noise_pixels, ratio, spell

from headstart.backbones.backbone import load_backbone
from headstart.data import ImageDataset, ImageResize
from headstart.data.images.free_memory import PILLOW_BLOCKS
from headstart.engines.capabilities import openvino_precisions, torch_precisions
from headstart.engines.engine import Engine, engine_for
from headstart.features.extractor import Extractor
from headstart.features.pipeline import stream_features
from headstart.runtime.machine import available_processors

TARGET = 0.85
BACKBONES = ("vgg19", "resnet50", "efficientnet_lite0")
SHIPPED = "efficientnet_lite0"
N_END_TO_END = {
    "vgg19": {"png": 96, "jpeg": 48},
    "resnet50": {"png": 300, "jpeg": 64},
    "efficientnet_lite0": {"png": 1200, "jpeg": 64},
}
N_FILES = {"png": 300, "jpeg": 32}
KINDS = {"png": "PNG 300 x 300", "jpeg": "JPEG 4,000 x 3,000"}


def fastest_engine() -> Engine:
    """The engine that is hardest to feed on this machine."""
    name = "openvino" if openvino_precisions() else "torch"
    known = openvino_precisions() if name == "openvino" else torch_precisions("cpu")
    precision = "bf16" if "bf16" in known else "fp32"
    return engine_for(name, precision, device="cpu", n_threads=available_processors())


def decode_alone(paths: list[Path], preparation: ImageResize) -> Spell:
    """Every file read, decoded and resized, on all cores at once; nothing else."""
    with PILLOW_BLOCKS, ThreadPoolExecutor(available_processors()) as pool:
        return spell(
            lambda: sum(1 for _ in pool.map(lambda path: preparation.read(path.read_bytes(), path.name), paths))
        )


def end_to_end(dataset: ImageDataset, extractor: Extractor, n_images: int) -> Spell:
    """The files gone through again and again until this many images are done, from bytes on disk to features."""
    rows = [row % len(dataset) for row in range(n_images)]

    def work() -> int:
        done = 0
        for batch in stream_features(dataset, extractor, rows):
            if batch.failed:
                raise batch.failed[0][1]
            done += len(batch.rows)
        return done

    return spell(work)


def measure(paths: list[Path], extractor: Extractor, n_images: int, n_rounds: int, seconds: float) -> dict[str, Any]:
    """One backbone on one kind of file."""
    files = ImageDataset.from_files(paths)
    dataset = files.with_hashes(
        [files.content_hash(row) for row in range(len(files))]
    )  # as `fit` has it: checked again
    pixels = noise_pixels(32, extractor.preparation.size)
    keep_busy(extractor, pixels, 0.0)  # converted, compiled and every stream used before the clock starts
    end_to_end(dataset, extractor, 2 * extractor.engine.batch_size)
    rounds = in_turn(
        {
            "decode": lambda: decode_alone(paths, extractor.preparation),
            "engine": lambda: keep_busy(extractor, pixels, seconds),
            "end_to_end": lambda: end_to_end(dataset, extractor, n_images),
        },
        n_rounds,
    )
    return summary(rounds, available_processors())


def summary(rounds: dict[str, list[Spell]], n_cores: int) -> dict[str, Any]:
    """Medians of the parts and of the whole, what the parts allow, and the share of it reached."""
    pairs = list(zip(rounds["decode"], rounds["engine"], strict=True))
    possible = [n_cores / (decode.core_s + engine.core_s) for decode, engine in pairs]
    by_wall = [1 / (1 / decode.images_per_s + 1 / engine.images_per_s) for decode, engine in pairs]
    reached = [found.images_per_s for found in rounds["end_to_end"]]
    share = ratio(reached, possible)
    return {
        "decode_core_ms": 1000 * statistics.median(found.core_s for found in rounds["decode"]),
        "engine_core_ms": 1000 * statistics.median(found.core_s for found in rounds["engine"]),
        "engine_images_per_s": statistics.median(found.images_per_s for found in rounds["engine"]),
        "possible_images_per_s": statistics.median(possible),
        "images_per_s": statistics.median(reached),
        "end_to_end_core_ms": 1000 * statistics.median(found.core_s for found in rounds["end_to_end"]),
        "share": share,
        "shares": [a / b for a, b in zip(reached, possible, strict=True)],
        "share_by_wall_time_of_the_parts": ratio(reached, by_wall),
        "met": share >= TARGET,
    }


def main() -> int:
    """Measure, print; 1 when the share is missed with exact decoding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="BACKBONE", help=f"which of {', '.join(BACKBONES)} [default: all]")
    parser.add_argument("--quick", action="store_true", help="2 short rounds; leaves the kept figures alone")
    options = parser.parse_args()
    n_rounds, seconds, shorter = (2, 0.5, 4) if options.quick else (5, 1.0, 1)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = {
            "png": write_cells(Path(folder) / "png", N_FILES["png"] // shorter),
            "jpeg": write_photographs(Path(folder) / "jpeg", N_FILES["jpeg"] // shorter),
        }
        for name in options.names or BACKBONES:
            backbone = load_backbone(name, weights=None if name == SHIPPED else "random", offline=True)
            exact = ImageResize(backbone.input_size, interpolation=backbone.interpolation)
            for kind, way in (("png", "exact"), ("jpeg", "exact"), ("jpeg", "fast")):
                extractor = Extractor(backbone, replace(exact, decode=way), fastest_engine())
                n_images = N_END_TO_END[name][kind] // shorter
                found[f"{name}, {kind}, {way}"] = {
                    "backbone": name,
                    "files": KINDS[kind],
                    "decode": way,
                    "engine": extractor.engine.label,
                    "n_images": n_images,
                    **measure(paths[kind], extractor, n_images, n_rounds, seconds),
                }
    write_results(
        "pipeline-quick" if options.quick or options.names else "pipeline", {"n_rounds": n_rounds, "measured": found}
    )
    columns = [
        "backbone",
        "files",
        "decode",
        "decoding, core ms",
        "engine, core ms",
        "together, core ms",
        "possible/s",
        "reached/s",
        "share",
    ]
    print(table([*columns, f"asked: {TARGET}"], [_line(row) for row in found.values()]))
    return 0 if options.quick or all(row["met"] for row in found.values() if row["decode"] == "exact") else 1


def _line(row: dict[str, Any]) -> list[str]:
    figures = [
        f"{row[name]:.1f}"
        for name in ("decode_core_ms", "engine_core_ms", "end_to_end_core_ms", "possible_images_per_s", "images_per_s")
    ]
    verdict = ("met" if row["met"] else "MISSED") if row["decode"] == "exact" else "shown, not judged"
    return [row["backbone"], row["files"], row["decode"], *figures, f"{row['share']:.2f}", verdict]


if __name__ == "__main__":
    raise SystemExit(main())
