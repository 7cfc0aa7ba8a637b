"""The peers of `tuners`: a plain Keras loop over heads, and KerasTuner with the backbone in every epoch.

Of each a part is run for real, in the peers' environment, and what the whole would take is computed from it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from heads_at_once import BATCH_SIZES, N_PROCESSES, N_ROWS, Data, Timed, at_once, made_up, plain_sample
from joblib import Parallel, delayed
from peers import HERE, Worker, headstart_side
from pictures import write_cells
from pipeline import end_to_end
from timing import ratio, spread

from headstart.heads import HeadSpec, faster_precision, grid

BACKBONE: Final = "densenet121"  # the paper's best, and 1,024 features
N_FILES: Final = 2600  # of the solar cells; what an engine has to do decides which one pays
N_TIMED: Final = 300  # images of a round of features
POLICIES: Final = ("float32", "mixed_bfloat16")
SENT: Final = ("units", "activation", "dropout", "optimizer", "learning_rate", "batch_size", "epochs")


@dataclass(frozen=True)
class Size:
    """How much of each peer is run for real.

    Attributes
    ----------
    n_rounds : int
        Of the heads, and of headstart's features.
    n_training, n_validation : int
        Images of KerasTuner's small part; whole batches, so that it compiles once.
    batch_sizes, optimizers : tuple
        Of the small part: every combination.
    policies : tuple of str
        Precisions of Keras.
    """

    n_rounds: int
    n_training: int
    n_validation: int
    batch_sizes: tuple[int, ...]
    optimizers: tuple[str, ...]
    policies: tuple[str, ...]


@dataclass
class KerasLoop:
    """Seconds that a plain Keras loop over the settings of one batch size would take, from a sample.

    Attributes
    ----------
    epochs_s : float
        All epochs of all settings, compiled.
    compiling_s : float
        What the first epoch takes longer than the others.
    rest_s : float
        Building, and judging the validation rows.
    one_fit_a_trajectory_s : float
        All of it, were 10 and 20 epochs read off the fit with 30.
    losses : dict
        Validation loss of every setting that was run.
    """

    epochs_s: float = 0.0
    compiling_s: float = 0.0
    rest_s: float = 0.0
    one_fit_a_trajectory_s: float = 0.0
    losses: dict[HeadSpec, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """All together, as a user meets it."""
        return self.epochs_s + self.compiling_s + self.rest_s

    def add(self, alike: Sequence[HeadSpec], spec: HeadSpec, answer: dict[str, Any]) -> None:
        """Let the answer for one setting stand for those alike, itself among them."""
        epoch = statistics.median(answer["epoch_s"][1:])
        compiling = answer["epoch_s"][0] - epoch
        rest = answer["seconds"] - sum(answer["epoch_s"])
        longest = {trajectory(other): 0 for other in alike}
        for other in alike:
            longest[trajectory(other)] = max(longest[trajectory(other)], other.whole("epochs"))
        self.epochs_s += sum(other.whole("epochs") for other in alike) * epoch
        self.compiling_s += len(alike) * compiling
        self.rest_s += len(alike) * rest
        self.one_fit_a_trajectory_s += sum(longest.values()) * epoch + len(longest) * compiling + len(alike) * rest
        self.losses[spec] = answer["loss"]


def trajectory(spec: HeadSpec) -> tuple[Any, ...]:
    """What settings that differ in epochs alone have in common."""
    return tuple(value for name, value in spec.settings.items() if name != "epochs")


def keras_loop(specs: Sequence[HeadSpec], worker: Worker) -> KerasLoop:
    """A plain Keras loop over settings of one batch size, from one setting for each optimizer."""
    found = KerasLoop()
    for spec in plain_sample(specs):
        alike = [other for other in specs if other.settings["optimizer"] == spec.settings["optimizer"]]
        answer = worker.ask(json.dumps({name: spec.settings[name] for name in SENT}))
        found.add(alike, spec, answer)
    return found


def write_features(path: Path, data: Data) -> None:
    """Standardised training and validation rows with their labels, for the peer."""
    scaled = [((part - data.rows.mean) * data.rows.inverse_scale).astype(np.float32) for part in data.features[:2]]
    np.savez(
        path, training=scaled[0], training_labels=data.labels[0], validation=scaled[1], validation_labels=data.labels[1]
    )


def heads(python: Path, n_rounds: int, precision: str) -> dict[str, Any]:
    """324 heads with headstart and with the Keras loop, in turn."""
    data, specs = made_up(), grid("paper")
    by_size = {size: [spec for spec in specs if spec.settings["batch_size"] == size] for size in BATCH_SIZES}
    ours: dict[int, list[float]] = {size: [] for size in BATCH_SIZES}
    theirs: dict[int, list[KerasLoop]] = {size: [] for size in BATCH_SIZES}
    timed = Timed()
    with tempfile.TemporaryDirectory() as folder, Parallel(n_jobs=N_PROCESSES) as pool:
        pool(delayed(faster_precision)() for _ in range(N_PROCESSES))  # workers start and load torch
        features = Path(folder) / "features.npz"
        write_features(features, data)
        worker = Worker([str(python), str(HERE / "peer_keras_heads.py"), str(features)], Path(folder) / "keras.log")
        try:
            for _ in range(n_rounds):
                for size, alike in by_size.items():
                    ours[size].append(at_once(alike, data, timed, pool, precision=precision))
                    theirs[size].append(keras_loop(alike, worker))
        finally:
            worker.close()
    return {"precision": precision, "n_settings": len(specs), **compared_heads(ours, theirs, timed)}


def compared_heads(ours: dict[int, list[float]], theirs: dict[int, list[KerasLoop]], timed: Timed) -> dict[str, Any]:
    """Medians over the rounds, by batch size and together."""
    mine = [sum(rounds) for rounds in zip(*ours.values(), strict=True)]
    loops = list(zip(*theirs.values(), strict=True))  # a round: one for each batch size

    def total(name: str) -> list[float]:
        return [sum(getattr(loop, name) for loop in each) for each in loops]

    first = {spec: loss for size in BATCH_SIZES for spec, loss in theirs[size][0].losses.items()}
    return {
        "seconds": statistics.median(mine),
        "spread": spread(mine),
        "seconds_by_batch_size": {str(size): statistics.median(rounds) for size, rounds in ours.items()},
        "keras_loop": {
            "n_run": len(first),
            **{name: statistics.median(total(name)) for name in ("seconds", "epochs_s", "compiling_s", "rest_s")},
            "one_fit_a_trajectory_s": statistics.median(total("one_fit_a_trajectory_s")),
            "seconds_by_batch_size": {
                str(size): statistics.median(loop.seconds for loop in rounds) for size, rounds in theirs.items()
            },
        },
        "times": ratio(total("seconds"), mine),
        "times_without_compiling": ratio(total("epochs_s"), mine),
        "times_one_fit_a_trajectory": ratio(total("one_fit_a_trajectory_s"), mine),
        "validation_loss": {
            spec.label: {"headstart": float(timed.losses[spec].mean()), "Keras": loss} for spec, loss in first.items()
        },
    }


def search_part(python: Path, folder: Path, size: Size, policy: str) -> dict[str, Any]:
    """A small grid search of KerasTuner, run for real."""
    done = subprocess.run(
        [
            str(python),
            str(HERE / "peer_keras_tuner.py"),
            str(folder),
            policy,
            str(size.n_training),
            str(size.n_validation),
            ",".join(map(str, size.batch_sizes)),
            ",".join(size.optimizers),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"KerasTuner ended:\n{done.stderr}")
    *trials, last = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if len(trials) != len(size.batch_sizes) * len(size.optimizers) or last["n_trials"] != len(trials):
        raise SystemExit(f"KerasTuner tried {last['n_trials']} settings:\n{done.stdout}")
    return per_image(trials, size)


def per_image(trials: list[dict[str, Any]], size: Size) -> dict[str, Any]:
    """What the second epoch took per image, and beside it what a configuration costs once."""
    return {
        "n_trials": len(trials),
        "training_s": statistics.median(trial["training_s"][1] / size.n_training for trial in trials),
        "validation_s": statistics.median(trial["validation_s"][1] / size.n_validation for trial in trials),
        "compiling_s": statistics.median(
            sum(trial[name][0] - trial[name][1] for name in ("training_s", "validation_s")) for trial in trials
        ),
        "building_s": statistics.median(trial["build_s"] for trial in trials),
        "trials": trials,
    }


def whole_search(part: dict[str, Any], specs: Sequence[HeadSpec]) -> dict[str, float]:
    """What the search over all settings would take, from a part; training and validation rows in every epoch."""
    n_training, n_validation = int(0.6 * N_ROWS), int(0.8 * N_ROWS) - int(0.6 * N_ROWS)
    epochs = sum(spec.whole("epochs") for spec in specs)
    return {
        "n_epochs": epochs,
        "n_training": n_training,
        "n_validation": n_validation,
        "seconds": epochs * (n_training * part["training_s"] + n_validation * part["validation_s"]),
        "not_counted_s": len(specs) * (part["compiling_s"] + part["building_s"]),
    }


def tuner(python: Path, size: Size) -> dict[str, Any]:
    """KerasTuner's small part and headstart's features of the same files, in turn."""
    speeds: list[float] = []
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = write_cells(Path(folder), N_FILES)
        start = time.perf_counter()
        dataset, extractor = headstart_side(BACKBONE, paths)
        ready = time.perf_counter() - start
        for policy in size.policies:
            speeds += [end_to_end(dataset, extractor, N_TIMED).images_per_s for _ in range(size.n_rounds)]
            part = search_part(python, Path(folder), size, policy)
            found[policy] = {**part, "whole": whole_search(part, grid("paper"))}
    fastest = min(found, key=lambda policy: float(found[policy]["whole"]["seconds"]))
    return {
        "keras_tuner": found,
        "fastest": fastest,
        "engine": extractor.engine.label,
        "choosing_s": ready,
        "images_per_s": statistics.median(speeds),
        "features_s": N_ROWS / statistics.median(speeds),
    }
