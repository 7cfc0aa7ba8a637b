"""The forward pass alone: images per second of every engine, against the machine's own ceiling and against plain torch.

The ceiling is the rate of a bf16 matrix product of side 2,048. A network's share of it is images per second x 2 x
multiply-adds of its frozen part / ceiling; it may pass 1, since torch's product of that side is a yardstick, not the
fastest the machine can multiply. Plain torch is eager, fp32, batch normalisation and all, in the library's own memory
layout (NCHW), batches of 16. Every round measures ceiling, plain torch and each engine in turn; figures are medians
over the rounds, shares and ratios medians of the rounds' own. All weights are random but EfficientNet-Lite0's. About 6
minutes on two cores; ``--quick`` less than two, without judging targets.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from common import table, write_results
from timing import busy_speed, ceiling, in_turn, multiply_adds, noise_pixels, ratio, spread

from headstart.backbones.backbone import Backbone, load_backbone
from headstart.data import ImageResize
from headstart.engines.capabilities import openvino_precisions, torch_precisions
from headstart.engines.engine import engine_for
from headstart.features.extractor import Extractor
from headstart.runtime.machine import available_processors

PLAIN = "torch fp32 eager, NCHW"
PLAIN_LAST = "torch fp32 eager, channels-last"
PLAIN_BATCH = 16
BF16, FP32 = "ceiling bf16", "ceiling fp32"
N_IMAGES = 32


@dataclass(frozen=True)
class Target:
    """Least share of the bf16 ceiling, and least ratio to plain torch where one is asked for."""

    share: float
    ratio: float | None = None


TARGETS = {
    "vgg19": Target(0.90, 2.7),
    "resnet50": Target(0.90, 2.7),
    "densenet121": Target(0.80, 3.5),
    "inception_v3": Target(0.70),
    "xception": Target(0.70),
    "alexnet": Target(0.70),
    "efficientnet_lite0": Target(0.60, 7.0),
}
SHIPPED = "efficientnet_lite0"


def extractors(backbone: Backbone) -> dict[str, Extractor]:
    """The library's engines on this machine, by name."""
    preparation = ImageResize(backbone.input_size, interpolation=backbone.interpolation)
    there = [("torch", name) for name in torch_precisions("cpu")]
    there += [("openvino", name) for name in openvino_precisions() if name != "int8"]
    engines = [engine_for(name, kind, device="cpu", n_threads=available_processors()) for name, kind in there]
    return {engine.label: Extractor(backbone, preparation, engine) for engine in engines}


def plain_torch(backbone: Backbone, layout: torch.memory_format) -> Callable[[float], float]:
    """The network as its library runs it: eager, fp32, on normalised images; gives images per second."""
    network = copy.deepcopy(backbone.module).to(memory_format=layout)
    pixels = noise_pixels(PLAIN_BATCH, backbone.input_size)
    images = backbone.normalise(pixels, torch.device("cpu")).contiguous(memory_format=layout)

    def run(seconds: float) -> float:
        torch.set_num_threads(available_processors())
        start, n_images = time.perf_counter(), 0
        with torch.inference_mode():
            while (passed := time.perf_counter() - start) < seconds:
                network(images)
                n_images += PLAIN_BATCH
        return n_images / passed

    return run


def measure(name: str, n_rounds: int, seconds: float) -> dict[str, Any]:
    """All engines of one backbone, and the ceiling beside them."""
    backbone = load_backbone(name, weights=None if name == SHIPPED else "random", offline=True)
    engines = extractors(backbone)
    pixels = noise_pixels(N_IMAGES, backbone.input_size)
    plain = {
        PLAIN: plain_torch(backbone, torch.contiguous_format),
        PLAIN_LAST: plain_torch(backbone, torch.channels_last),
    }
    actions: dict[str, Callable[[], float]] = {
        BF16: partial(ceiling, torch.bfloat16),
        FP32: partial(ceiling, torch.float32),
    }
    actions |= {label: partial(run, seconds) for label, run in plain.items()}
    actions |= {label: partial(busy_speed, extractor, pixels, seconds) for label, extractor in engines.items()}
    for extractor in engines.values():
        busy_speed(extractor, pixels, 0.0)  # converted, compiled and every stream used before the clock starts
    rounds = in_turn(actions, n_rounds)
    return summary(name, rounds, multiply_adds(next(iter(engines.values()))), list(engines))


def summary(name: str, rounds: dict[str, list[float]], n_multiply_adds: int, engines: list[str]) -> dict[str, Any]:
    """Medians, shares and ratios of one backbone, and whether its targets are met by the fastest engine."""
    speeds = {label: statistics.median(rounds[label]) for label in (PLAIN, PLAIN_LAST, *engines)}
    shares = {label: ratio([2 * n_multiply_adds * speed for speed in rounds[label]], rounds[BF16]) for label in speeds}
    best = max(engines, key=speeds.__getitem__)
    target, faster = TARGETS[name], ratio(rounds[best], rounds[PLAIN])
    return {
        "multiply_adds": n_multiply_adds,
        "ceiling_tflops": {kind: statistics.median(rounds[kind]) / 1e12 for kind in (BF16, FP32)},
        "images_per_s": speeds,
        "spread": {label: spread(values) for label, values in rounds.items()},
        "share_of_bf16_ceiling": shares,
        "best": best,
        "share": shares[best],
        "share_target": target.share,
        "ratio_to_plain_torch": faster,
        "ratio_target": target.ratio,
        "met": shares[best] >= target.share and (target.ratio is None or faster >= target.ratio),
    }


def main() -> int:
    """Measure, print; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="BACKBONE", help=f"which of {', '.join(TARGETS)} [default: all]")
    parser.add_argument("--quick", action="store_true", help="2 short rounds; leaves the kept figures alone")
    options = parser.parse_args()
    n_rounds, seconds = (2, 0.3) if options.quick else (5, 1.0)
    found = {name: measure(name, n_rounds, seconds) for name in options.names or TARGETS}
    write_results(
        "engines-quick" if options.quick or options.names else "engines",
        {"n_rounds": n_rounds, "backbones": found},
    )
    print_tables(found)
    return 0 if options.quick or all(row["met"] for row in found.values()) else 1


def print_tables(found: dict[str, dict[str, Any]]) -> None:
    """Images per second of every engine; then the targets."""
    labels = list(next(iter(found.values()))["images_per_s"])
    speeds = [[name, *(f"{row['images_per_s'][label]:.1f}" for label in labels)] for name, row in found.items()]
    print("Images per second, forward pass alone\n")
    print(table(["backbone", *labels], speeds), end="\n\n")
    columns = ["backbone", "fastest", "bf16 ceiling, TFLOP/s", "share of it", "asked", "times plain torch", "asked", ""]
    print(table(columns, [_judged(name, row) for name, row in found.items()]))


def _judged(name: str, row: dict[str, Any]) -> list[str]:
    asked = "-" if row["ratio_target"] is None else f"{row['ratio_target']:.1f}"
    shares = [f"{row['ceiling_tflops'][BF16]:.2f}", f"{row['share']:.2f}", f"{row['share_target']:.2f}"]
    return [
        name,
        row["best"],
        *shares,
        f"{row['ratio_to_plain_torch']:.1f}",
        asked,
        "met" if row["met"] else "MISSED",
    ]


if __name__ == "__main__":
    raise SystemExit(main())
