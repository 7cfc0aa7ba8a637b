"""The paper's search over heads against KerasTuner and against a plain Keras loop on the same features.

Two peers, both Keras 3 on JAX in the peers' environment (see `peers.py`), and the 324 settings of ``grid("paper")`` on
6,112 images, 60/20/20:

- **KerasTuner** as its guides show it: a grid search whose every epoch runs images through the frozen DenseNet-121 and
  the head. That would take weeks, so a small part is run for real: a `GridSearch` over 4 settings with 2 epochs on
  few images. Seconds per image in the second epoch x images x epochs of all settings is what the whole would take;
  building and compiling are measured beside it and, like the checkpoints, *not* counted. Keras's default precision
  and its mixed one are both run, the faster counts. headstart is charged with everything: choosing the engine,
  features of all 6,112 images from files, and 324 heads.
- **A Keras loop on cached features**, as a fair one: `fit` for each setting's own epochs, then the validation rows
  once. One setting is run for every optimizer and batch size, 10 epochs each; seconds of an epoch x epochs, and the
  rest (building, compiling, judging) once a setting, stand for the settings alike. Compiling counts, as a user meets
  it once for every model, and is shown apart. Both sides take turns, batch size by batch size, round by round.

headstart trains its heads in fp32, as a fit does unasked. The images are solar cells; the features of the second
comparison are made up, of the same size. About 20 minutes on two free cores besides the installation; ``--quick`` about
4, without judging targets. On a busy machine the figures mean little.
"""

from __future__ import annotations

import argparse
from typing import Any, Final

from common import table, write_results
from heads_at_once import N_ROWS
from keras_peers import POLICIES, Size, heads, tuner
from peers import environment, versions

REQUIRED: Final = {"KerasTuner": 500.0, "Keras loop": 5.0}
FULL: Final = Size(3, 128, 64, (32, 128), ("adam", "adamax"), POLICIES)
QUICK: Final = Size(1, 64, 32, (32,), ("adam",), POLICIES[:1])


def main() -> int:
    """Measure, print; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smaller part, 1 round; leaves the kept figures alone")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="of headstart's heads [fp32]")
    options = parser.parse_args()
    python, size = environment(), QUICK if options.quick else FULL
    loop = heads(python, size.n_rounds, options.precision)
    search = tuner(python, size)
    ours = search["choosing_s"] + search["features_s"] + loop["seconds"]
    times = {
        "KerasTuner": search["keras_tuner"][search["fastest"]]["whole"]["seconds"] / ours,
        "Keras loop": loop["times"],
    }
    met = {name: times[name] >= least for name, least in REQUIRED.items()}
    write_results(
        "tuners-quick" if options.quick else "tuners",
        {
            "versions": versions(python),
            "n_rounds": size.n_rounds,
            "times_as_fast": times,
            "met": met,
            "search_with_backbone": {"headstart_s": ours, **search},
            "heads": loop,
        },
    )
    print_search(search, loop, times["KerasTuner"], ours)
    print_heads(loop)
    for name, least in REQUIRED.items():
        print(f"{name}: {times[name]:,.1f} times, asked {least:g}: {'met' if met[name] else 'MISSED'}")
    return 0 if options.quick or all(met.values()) else 1


def print_search(search: dict[str, Any], loop: dict[str, Any], times: float, ours: float) -> None:
    """Per image and for the whole search."""
    print("KerasTuner, backbone and head in every epoch: a small part run, the whole extrapolated\n")
    rows = []
    for policy, part in search["keras_tuner"].items():
        whole = part["whole"]
        each = f"{part['training_s'] * 1000:.1f}, {part['validation_s'] * 1000:.1f}"
        once = f"{part['compiling_s'] + part['building_s']:.0f} s x {loop['n_settings']}"
        rows.append([f"KerasTuner, {policy}", part["n_trials"], each, f"{whole['seconds'] / 3600:,.0f} h", once])
    n_passes = "{n_epochs:,} epochs x ({n_training:,} + {n_validation:,}) images".format(**whole)
    print(table(["", "settings run", "ms an image: training, validation", "whole search", "not counted"], rows))
    print(
        f"\nwhole search: {n_passes}\nheadstart: {ours:.0f} s = engine {search['choosing_s']:.0f} + features of "
        f"{N_ROWS:,} images {search['features_s']:.0f} ({search['images_per_s']:.0f} a second, {search['engine']}) + "
        f"{loop['n_settings']} heads {loop['seconds']:.0f}; {times:,.0f} times as fast\n"
    )


def print_heads(loop: dict[str, Any]) -> None:
    """By batch size; then what compiling is of it."""
    keras = loop["keras_loop"]
    print(
        f"{loop['n_settings']} heads on cached features; Keras: {keras['n_run']} settings run, extrapolated by epochs\n"
    )
    rows = [
        [size, f"{seconds:.1f}", f"{keras['seconds_by_batch_size'][size]:.1f}"]
        for size, seconds in loop["seconds_by_batch_size"].items()
    ]
    rows.append(["all", f"{loop['seconds']:.1f}", f"{keras['seconds']:.1f} = {loop['times']:.1f} times"])
    print(table(["batch size", f"headstart ({loop['precision']}), s", "Keras loop, s"], rows))
    print(
        f"\nKeras loop: epochs {keras['epochs_s']:.0f} s (alone {loop['times_without_compiling']:.1f} times), "
        f"compiling {keras['compiling_s']:.0f} s, building and judging {keras['rest_s']:.0f} s; with 10 and 20 epochs "
        f"read off one fit of 30: {keras['one_fit_a_trajectory_s']:.0f} s "
        f"({loop['times_one_fit_a_trajectory']:.1f} times)\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
