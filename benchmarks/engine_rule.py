"""The engine that the rule takes, against the one a trial would take, for every named network.

Without a clock the first engine of a fixed order is taken that agrees with fp32 (``docs/speed.md``). Here every
candidate of that order is timed, as ``--engine measure`` does, and the rule's first is held against the one such a
trial takes: the first in order of expected speed, unless a later one is a quarter faster.
Four requests: everything allowed, fp32 alone, and both without OpenVINO, as on a machine where it is not installed.
Weights are random: speed does not depend on them. ``--compiled`` tries ``torch.compile`` too where OpenVINO is absent,
which takes minutes for each network. Asked: at least 0.9 for all.
"""

from __future__ import annotations

import argparse
from typing import Any

from common import table, write_results
from timing import noise_pixels

from headstart.backbones.backbone import load_backbone
from headstart.backbones.registry import ENTRIES
from headstart.data import ImageResize
from headstart.engines.engine import Engine
from headstart.engines.network_cache import NetworkCache
from headstart.features.engine_selection.benchmark import fastest, measure_engines
from headstart.features.engine_selection.request import EngineRequest
from headstart.features.engine_selection.rule import MAX_COMPILED, ordered_engines
from headstart.features.extractor import Extractor
from headstart.runtime.machine import available_processors

ASKED = 0.9
QUICK = ("efficientnet_lite0", "resnet18", "densenet121")
N_IMAGES = 32


def requests(compiled: bool, *, worth_compiling: bool) -> dict[str, list[Engine]]:
    """The candidates of each request, the rule's first; a trial looks at compiled engines whether or not they pay."""
    threads = available_processors()
    found = {}
    for library in ("auto", "torch"):
        for precision in ("auto", "fp32"):
            request = EngineRequest(library=library, precision=precision, n_threads=threads)
            engines = ordered_engines(request, worth_compiling=compiled and worth_compiling and library == "torch")
            tried = ordered_engines(request, worth_compiling=compiled and library == "torch")
            engines += [engine for engine in tried if engine not in engines]
            found[f"{library}, {precision}"] = [*engines, request.reference] if library == "torch" else engines
    return found


def measure(name: str, compiled: bool) -> dict[str, Any]:
    """Speeds of one network, and for each request what rule and trial take."""
    backbone = load_backbone(name, weights="random", offline=True)
    preparation = ImageResize(backbone.input_size, interpolation=backbone.interpolation)
    per_image = sum(stage.multiply_adds for stage in backbone.staged.describe(backbone.input_size))
    asked = requests(compiled, worth_compiling=per_image <= MAX_COMPILED)
    engines = list({engine.label: engine for engines in asked.values() for engine in engines}.values())
    store = NetworkCache(None)
    pixels = noise_pixels(N_IMAGES, backbone.input_size)
    speeds, refusals = measure_engines(
        engines, lambda engine: Extractor(backbone, preparation, engine, network_cache=store), pixels
    )
    chosen = {}
    for request, candidates in asked.items():
        able = [engine for engine in candidates if engine.label in speeds]
        rule, trial = able[0], fastest(sorted(able, key=lambda engine: engine.compiled), speeds)
        best = max(able, key=lambda engine: speeds[engine.label])
        chosen[request] = {
            "rule": rule.label,
            "trial": trial.label,
            "fastest": best.label,
            "rule_over_trial": round(speeds[rule.label] / speeds[trial.label], 3),
            "rule_over_fastest": round(speeds[rule.label] / speeds[best.label], 3),
        }
    return {"images_per_s": speeds, "refusals": refusals, "requests": chosen}


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three networks; nothing is judged or kept")
    parser.add_argument("--compiled", action="store_true", help="torch.compile too, where OpenVINO is absent")
    parser.add_argument("--only", help="networks, comma-separated; nothing is kept")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else QUICK if options.quick else tuple(ENTRIES)
    found = {}
    for name in names:
        found[name] = measure(name, options.compiled)
        for request, row in found[name]["requests"].items():
            print(f"{name:20} {request:12} {row}", flush=True)
        print(f"{name:20} {found[name]['images_per_s']}", flush=True)
    requested = list(next(iter(found.values()))["requests"])
    rows = [
        [name, *(f"{one['requests'][key]['rule_over_trial']:.2f}" for key in requested)] for name, one in found.items()
    ]
    print(table(["network", *requested], rows))
    least = min(one["requests"][key]["rule_over_trial"] for one in found.values() for key in requested)
    print(f"Least: {least:.2f} (asked: {ASKED})")
    if options.quick or options.only:
        return
    write_results("engine_rule", {"asked": ASKED, "least": least, "compiled": options.compiled, "backbones": found})
    raise SystemExit(0 if least >= ASKED else 1)


if __name__ == "__main__":
    main()
