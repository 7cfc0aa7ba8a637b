"""The paper's search over dense heads, trained at once against the plain loop of torch, on the same features.

6,112 made-up rows of 1,024 features in 2 classes, 60/20/20; 324 settings, chosen by log loss on the validation rows.
The plain loop is what one would write: `torch.nn.Sequential`, `torch.optim`, features in memory, two threads, one
setting after the other, each run for its own number of epochs. The trainer of headstart runs in two processes of one
thread. Both take turns, batch size by batch size, so that what else the machine does meets both.

``--quick`` runs 12 settings of the plain loop, one for each optimizer and batch size, for 10 epochs each, and
multiplies by the epochs of all: a step costs much the same whatever the activation and dropout. The full run takes 5
to 10 minutes on 2 free cores. On a busy machine the figures mean nothing: two threads then wait for each other.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from common import table, write_results
from joblib import Parallel, delayed

from headstart.heads import HeadSpec, TrainingRows, faster_precision, grid, plan_chunks, train_chunk, training_rows
from headstart.heads.batched.plan import Chunk

N_ROWS, N_FEATURES, N_LATENT = 6112, 1024, 40
N_PROCESSES = 2
REQUIRED_RATIO = 5.0
REQUIRED_MEMORY_GB = 3.0
QUICK_EPOCHS = 10
BATCH_SIZES = (32, 128, 256)
ACTIVATIONS = {"relu": torch.nn.ReLU, "sigmoid": torch.nn.Sigmoid, "tanh": torch.nn.Tanh}
OPTIMIZERS = {
    "momentum": lambda parameters, rate: torch.optim.SGD(parameters, lr=rate, momentum=0.9),
    "rmsprop": lambda parameters, rate: torch.optim.RMSprop(parameters, lr=rate),
    "adam": lambda parameters, rate: torch.optim.Adam(parameters, lr=rate),
    "adamax": lambda parameters, rate: torch.optim.Adamax(parameters, lr=rate),
}


@dataclass(frozen=True)
class Data:
    """Training, validation and test rows."""

    rows: TrainingRows
    features: list[np.ndarray]
    labels: list[np.ndarray]


@dataclass
class Timed:
    """What one way of training came to: seconds by batch size, log losses of validation rows by setting."""

    seconds: dict[int, float] = field(default_factory=dict)
    losses: dict[HeadSpec, np.ndarray] = field(default_factory=dict)
    test_accuracy: dict[HeadSpec, float] = field(default_factory=dict)

    def winner(self, among: Iterable[HeadSpec] | None = None) -> HeadSpec:
        """Setting of least log loss; one that diverged never wins."""
        return min(among or self.losses, key=lambda spec: np.nan_to_num(self.losses[spec].mean(), nan=np.inf))


def made_up(seed: int = 0) -> Data:
    """Features as of a network: many, skewed, of few causes; about 0.93 of the labels can be told from them."""
    generator = np.random.default_rng(seed)
    causes = generator.standard_normal((N_ROWS, N_LATENT))
    score = causes[:, :6].sum(axis=1) + 0.25 * causes[:, 6] * causes[:, 7] + 0.25 * np.abs(causes[:, 8])
    labels = (generator.logistic(size=N_ROWS) * 0.15 + score > np.median(score)).astype(np.int64)
    mixed = causes @ generator.standard_normal((N_LATENT, N_FEATURES)) / N_LATENT**0.5
    features = np.maximum(mixed + 0.5 * generator.standard_normal(mixed.shape) - 0.3, 0).astype(np.float32)
    parts = np.split(generator.permutation(N_ROWS), [int(0.6 * N_ROWS), int(0.8 * N_ROWS)])
    first = parts[0]
    rows = training_rows(features[first], labels[first], n_classes=2, weights=None, groups=None, seed=seed)
    return Data(rows, [features[part] for part in parts], [labels[part] for part in parts])


def row_losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Log loss of every row; (n,)."""
    return -np.log(np.clip(probabilities[np.arange(len(labels)), labels], 1e-6, 1.0))


def at_once(specs: Sequence[HeadSpec], data: Data, into: Timed, pool: Parallel, *, precision: str) -> float:
    """Train settings with headstart in two processes; seconds."""
    judged = np.concatenate(data.features[1:])
    n_validation = len(data.labels[1])
    start = time.perf_counter()
    chunks = plan_chunks(specs, n_features=N_FEATURES, n_classes=2)
    found = pool(delayed(chunk_probabilities)(chunk, data.rows, judged, precision) for chunk in chunks)
    seconds = time.perf_counter() - start
    for chunk, probabilities in zip(chunks, found, strict=True):
        for spec, given in zip(chunk.specs, probabilities, strict=True):
            into.losses[spec] = row_losses(given[:n_validation], data.labels[1])
            into.test_accuracy[spec] = float((given[n_validation:].argmax(axis=1) == data.labels[2]).mean())
    return seconds


def chunk_probabilities(chunk: Chunk, rows: TrainingRows, features: np.ndarray, precision: str) -> np.ndarray:
    (trained,) = train_chunk(chunk, [rows], [features], precision=precision, n_threads=1)
    assert trained.probabilities is not None
    return trained.probabilities


def plainly(spec: HeadSpec, data: Data, epochs: int) -> tuple[float, np.ndarray]:
    """Seconds and log losses of validation rows of one setting, trained as one would without headstart."""
    inputs = torch.tensor((data.features[0] - data.rows.mean) * data.rows.inverse_scale, dtype=torch.float32)
    labels = torch.tensor(data.labels[0])
    validation = torch.tensor((data.features[1] - data.rows.mean) * data.rows.inverse_scale, dtype=torch.float32)
    torch.manual_seed(0)
    start = time.perf_counter()
    network = torch.nn.Sequential(
        torch.nn.Linear(N_FEATURES, spec.whole("units")),
        ACTIVATIONS[str(spec.settings["activation"])](),
        torch.nn.Dropout(spec.number("dropout")),
        torch.nn.Linear(spec.whole("units"), 2),
    )
    optimizer = OPTIMIZERS[str(spec.settings["optimizer"])](network.parameters(), spec.number("learning_rate"))
    criterion = torch.nn.CrossEntropyLoss()
    for _ in range(epochs):
        for batch in torch.randperm(len(inputs)).split(spec.whole("batch_size")):
            optimizer.zero_grad()
            criterion(network(inputs[batch]), labels[batch]).backward()
            optimizer.step()
    network.eval()
    with torch.no_grad():
        probabilities = torch.softmax(network(validation), dim=1).numpy()
    return time.perf_counter() - start, row_losses(probabilities, data.labels[1])


def plain_sample(specs: Sequence[HeadSpec]) -> list[HeadSpec]:
    """One setting for each optimizer, every activation and dropout among them, of those with the fewest epochs."""
    wanted = zip(OPTIMIZERS, ("relu", "sigmoid", "tanh", "relu"), (0.3, 0.5, 0.7, 0.5), strict=True)
    chosen = set(wanted)
    return [
        spec
        for spec in specs
        if tuple(spec.settings[name] for name in ("optimizer", "activation", "dropout")) in chosen
        and spec.settings["epochs"] == QUICK_EPOCHS
    ]


def run_plainly(specs: Sequence[HeadSpec], data: Data, into: Timed, *, quick: bool) -> float:
    """Seconds of the plain loop over settings, or over a sample that stands for them."""
    seconds = 0.0
    for spec in plain_sample(specs) if quick else specs:
        taken, into.losses[spec] = plainly(spec, data, spec.whole("epochs"))
        seconds += taken
    if quick:
        run = sum(spec.whole("epochs") for spec in plain_sample(specs))
        seconds *= sum(spec.whole("epochs") for spec in specs) / run
    return seconds


def ladder(size: int, data: Data, pool: Parallel) -> Iterator[tuple[str, float]]:
    """Seconds of 12 settings (4 optimizers, 3 lengths) on both cores, as one part after the other is added."""
    specs = [
        spec
        for spec in grid("paper")
        if (spec.settings["batch_size"], spec.settings["activation"], spec.settings["dropout"]) == (size, "relu", 0.5)
    ]
    short = [spec for spec in specs if spec.settings["epochs"] == QUICK_EPOCHS]
    yield "plain loop", 6 * sum(plainly(spec, data, QUICK_EPOCHS)[0] for spec in short)
    yield "own step, alone, 2 threads", 6 * sum(_seconds([spec], data, "fp32", 2) for spec in short)
    yield "stacked, a process a core", 6 * _side_by_side(short, data, "fp32", pool)
    yield "snapshots", _side_by_side(specs, data, "fp32", pool)
    yield "bf16 products", _side_by_side(specs, data, "bf16", pool)


def _seconds(specs: Sequence[HeadSpec], data: Data, precision: str, n_threads: int) -> float:
    (chunk,) = plan_chunks(specs, n_features=N_FEATURES, n_classes=2)
    start = time.perf_counter()
    train_chunk(chunk, [data.rows], [data.features[1]], precision=precision, n_threads=n_threads)
    return time.perf_counter() - start


def _side_by_side(specs: Sequence[HeadSpec], data: Data, precision: str, pool: Parallel) -> float:
    """Seconds for the specs when every core trains them at the same time, divided by the cores."""
    seconds = pool(delayed(_seconds)(specs, data, precision, 1) for _ in range(N_PROCESSES))
    return float(np.mean(seconds)) / N_PROCESSES


def shares(steps: Sequence[tuple[str, float]]) -> dict[str, dict[str, float]]:
    """Seconds of every rung and how many times faster than the rung before it is."""
    factors = [1.0, *(before[1] / after[1] for before, after in itertools.pairwise(steps))]
    return {
        name: {"seconds": round(seconds, 2), "factor": round(factor, 2)}
        for (name, seconds), factor in zip(steps, factors, strict=True)
    }


def tie(one: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    """Mean difference of two log losses over the same rows, its standard error, and whether it is below two of them."""
    difference = one - other
    error = difference.std(ddof=1) / len(difference) ** 0.5
    return {
        "difference": round(float(difference.mean()), 5),
        "standard_error": round(float(error), 5),
        "tied": bool(abs(difference.mean()) <= 2 * error),
    }


def peak_gb() -> float:
    """Peak memory of this process and of the workers, taken as large as the largest."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round((own + N_PROCESSES * _worker_peak_kb[0]) / 2**20, 2)


_worker_peak_kb = [0]


def worker_peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> int:
    """Both ways over the 324 settings; 1 when the trainer misses what it must reach."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a sample of the plain loop, extrapolated")
    parser.add_argument("--precision", choices=["fp32", "bf16"], help="[default: the faster here]")
    options = parser.parse_args()
    precision = options.precision or faster_precision()
    torch.set_num_threads(N_PROCESSES)
    data, specs = made_up(), grid("paper")
    ours, plain, rungs = Timed(), Timed(), {}
    with Parallel(n_jobs=N_PROCESSES) as pool:
        pool(delayed(faster_precision)() for _ in range(N_PROCESSES))  # workers start and load torch
        for size in BATCH_SIZES:
            alike = [spec for spec in specs if spec.settings["batch_size"] == size]
            ours.seconds[size] = at_once(alike, data, ours, pool, precision=precision)
            plain.seconds[size] = run_plainly(alike, data, plain, quick=options.quick)
            rungs[size] = shares(list(ladder(size, data, pool)))
        _worker_peak_kb[0] = max(pool(delayed(worker_peak_kb)() for _ in range(N_PROCESSES)))
    return report(ours, plain, rungs, precision, quick=options.quick)


def report(ours: Timed, plain: Timed, rungs: dict[int, Any], precision: str, *, quick: bool) -> int:
    """Write and print the figures; 1 when one misses what it must reach."""
    both = [spec for spec in ours.losses if spec in plain.losses]
    best, mine = plain.winner(both), ours.winner(both)
    seconds = {"headstart": sum(ours.seconds.values()), "plain loop": sum(plain.seconds.values())}
    ratio = seconds["plain loop"] / seconds["headstart"]
    tied = tie(plain.losses[mine], plain.losses[best])
    memory = peak_gb()
    winner = ours.winner()
    write_results(
        "heads_at_once",
        {
            "n_settings": len(ours.losses),
            "precision": precision,
            "plain_loop": f"{len(plain.losses)} settings run" + (", extrapolated" if quick else ""),
            "seconds": {name: round(value, 1) for name, value in seconds.items()},
            "seconds_by_batch_size": {
                str(size): {"headstart": round(ours.seconds[size], 1), "plain loop": round(plain.seconds[size], 1)}
                for size in BATCH_SIZES
            },
            "ratio": round(ratio, 2),
            "parts": {str(size): rung for size, rung in rungs.items()},
            "winner": {"headstart": mine.label, "plain loop": best.label, "among": len(both), **tied},
            "winner_of_all": {
                "label": winner.label,
                "log_loss": round(float(ours.losses[winner].mean()), 4),
                "test_accuracy": round(ours.test_accuracy[winner], 4),
            },
            "peak_memory_gb": memory,
        },
    )
    counted = f"{len(plain.losses)} settings run, extrapolated" if quick else "all run"
    print(f"324 dense heads, products in {precision}; plain loop: {counted}; peak memory {memory} GB\n")
    rows = [[size, f"{ours.seconds[size]:.1f}", f"{plain.seconds[size]:.1f}"] for size in BATCH_SIZES]
    rows.append(["all", f"{seconds['headstart']:.1f}", f"{seconds['plain loop']:.1f} = {ratio:.1f} times"])
    print(table(["batch size", "headstart, s", "plain loop, s"], rows), end="\n\n")
    names = list(rungs[BATCH_SIZES[0]])
    parts = [[name, *(f"{rungs[size][name]['factor']:.2f}" for size in BATCH_SIZES)] for name in names]
    print(table(["times faster than the line above", *map(str, BATCH_SIZES)], parts), end="\n\n")
    print(f"winner of all: {winner.label}; test accuracy {ours.test_accuracy[winner]:.3f}")
    print(f"among {len(both)} settings: headstart {mine.label}; plain loop {best.label}; {tied}")
    met = ratio >= REQUIRED_RATIO and memory <= REQUIRED_MEMORY_GB and tied["tied"]
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
