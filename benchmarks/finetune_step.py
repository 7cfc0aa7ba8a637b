"""A training step of fine-tuning: from cached stage maps, with the trunk recomputed, and in a plain torch loop.

Solar cells at the networks' own size, batch 32, fp32. *Cached*: `fine_tune` reads stage maps from the disk.
*Recomputed*: the same training, the trunk run by torch at every step on pixels that lie ready in memory. *Plain*: what
one writes without a library: the whole network with the frozen parameters' gradients switched off, batch normalisation
in evaluation mode, the same batches, AdamW with the same rates. Rates are of the steps after the first; each way is run
in turn, twice, and the faster run counts. Equal accuracy is shown by 5 folds of some cells, paired.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import table, write_results
from torch import nn

from headstart.augment import IDENTITY
from headstart.backbones.backbone import Backbone, load_backbone
from headstart.data import ImageDataset, ImageResize
from headstart.data.split.make import split_dataset
from headstart.engines.engine import Engine
from headstart.features.cache import FeatureCache
from headstart.features.extractor import Extractor
from headstart.features.stage_maps import StageMaps, extract_maps
from headstart.finetuning import FineTuned, FineTuneSpec, TrainingContext, TrainingTask, fine_tune, frozen_stage
from headstart.finetuning.schedule import epoch_batches, rate_factor
from headstart.heads import FittedHead, HeadSpec, fit_heads
from headstart.metrics import OutOfFold, compare_paired
from headstart.samples.solar_cells import solar_cells

N_THREADS = 2


@dataclass(frozen=True)
class Case:
    """A backbone, how many of its last stages are unlocked, and what is asked of the cached step."""

    backbone: str
    weights: str | None
    unlock: int
    asked: float
    asked_plain: float | None = None


CASES = (
    Case("efficientnet_lite0", None, 3, 2.5, 2.5),
    Case("vgg19", "random", 1, 3.5),
    Case("resnet50", "random", 1, 2.0),
)


class Recomputed:
    """Stage maps from pixels in memory, the trunk run by torch each time."""

    n_views = 1

    def __init__(self, backbone: Backbone, stage: str, pixels: np.ndarray) -> None:
        self.backbone, self.stage, self.pixels = backbone, stage, pixels

    def take(self, rows: Any, views: Any) -> np.ndarray:
        """Maps of some images, float16."""
        with torch.inference_mode():
            images = self.backbone.normalise(self.pixels[np.asarray(rows)], torch.device("cpu"))
            return self.backbone.staged.forward_features(images, self.stage).half().numpy()


@dataclass(frozen=True)
class Ready:
    """One case, ready to be trained."""

    case: Case
    backbone: Backbone
    stage: str
    pixels: np.ndarray
    maps: StageMaps
    labels: np.ndarray
    features: np.ndarray

    def start(self, train: np.ndarray) -> FittedHead:
        """The linear head that training starts from."""
        (head,) = fit_heads([HeadSpec("logistic")], self.features[train], self.labels[train], n_classes=2, seed=0)
        return head


def ready(case: Case, dataset: ImageDataset, folder: Path) -> Ready:
    """Pixels, maps and features of a case."""
    backbone = load_backbone(case.backbone, weights=case.weights, offline=True)
    stage = frozen_stage(case.unlock, backbone.staged.names, backbone=case.backbone)
    preparation = ImageResize(backbone.input_size, interpolation=backbone.interpolation)
    engine = Engine(n_threads=N_THREADS, batch_size=16)
    extractor = Extractor(backbone, preparation, engine, stage=stage)
    maps = extract_maps(dataset, extractor, views=[IDENTITY], cache=FeatureCache(folder / case.backbone))
    pixels = np.stack([dataset.prepared(row, preparation) for row in range(len(dataset))])
    pooled = []
    with torch.inference_mode():
        for start in range(0, len(pixels), 16):
            pooled.append(backbone.module(backbone.normalise(pixels[start : start + 16], torch.device("cpu"))).numpy())
    return Ready(case, backbone, str(stage), pixels, maps, np.asarray(dataset.labels), np.concatenate(pooled))


def spec_of(case: Case, epochs: int) -> FineTuneSpec:
    return FineTuneSpec(
        unlock=case.unlock, epochs=epochs, average="none", precision="fp32", label_smoothing=0.0, clip_norm=0.0
    )


def trained(given: Ready, maps: Any, train: np.ndarray, epochs: int) -> tuple[FineTuned, float]:
    """One training and its images per second after the first step."""
    times: list[tuple[float, int]] = []
    task = TrainingTask(maps, np.eye(2)[given.labels], None, train, np.zeros(0, dtype=np.int64))
    setting = TrainingContext(
        given.backbone,
        given.stage,
        given.start(train),
        n_threads=N_THREADS,
        on_step=lambda n: times.append((time.perf_counter(), n)),
    )
    found = fine_tune(task, spec_of(given.case, epochs), setting)
    return found, sum(n for _, n in times[1:]) / (times[-1][0] - times[0][0])


class PlainNetwork(nn.Module):
    """The whole network and the head, as a plain loop holds them."""

    def __init__(self, given: Ready, head: FittedHead) -> None:
        super().__init__()
        self.base = copy.deepcopy(given.backbone.module).to(memory_format=torch.contiguous_format)
        first = given.backbone.staged.index(given.stage) + 1
        self.trained = nn.ModuleList([stage.module for stage in self.base.staged.stages[first:]])
        self.base.requires_grad_(False)
        self.trained.requires_grad_(True)
        arrays = {
            name: torch.tensor(head.arrays[name], dtype=torch.float32) for name in head.arrays if name != "present"
        }
        self.mean, self.inverse = arrays["mean"], arrays["inverse_scale"]
        self.coefficients, self.intercepts = (nn.Parameter(arrays[name]) for name in ("coefficients", "intercepts"))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits."""
        standard = (self.base(images) - self.mean) * self.inverse
        return nn.functional.linear(standard, self.coefficients, self.intercepts)


def plain(given: Ready, train: np.ndarray, epochs: int) -> tuple[PlainNetwork, list[float], float]:
    """The plain loop: network, mean loss of every epoch, images per second after the first step."""
    spec = spec_of(given.case, epochs)
    network = PlainNetwork(given, given.start(train)).eval()  # no dropout in the trained stages of these networks
    stages = list(network.trained)[::-1]
    groups = [
        {
            "params": [p for p in stage.parameters() if (p.ndim > 1) == decays],
            "factor": spec.stage_decay**number,
            "weight_decay": spec.weight_decay if decays else 0.0,
        }
        for number, stage in enumerate(stages)
        for decays in (True, False)
    ]
    groups += [
        {"params": [network.coefficients], "factor": 1.0, "weight_decay": spec.weight_decay},
        {"params": [network.intercepts], "factor": 1.0, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]])
    n_each = -(-len(train) // spec.batch_size)
    images = given.backbone.normalise(given.pixels, torch.device("cpu")).contiguous()
    labels, step, losses, times = torch.from_numpy(given.labels), 0, [], []
    for epoch in range(epochs):
        generator = np.random.default_rng([0, 1, epoch])
        generator.integers(2**62)
        some = []
        for batch in epoch_batches(len(train), spec.batch_size, generator):
            rate = rate_factor(step, n_steps=epochs * n_each, n_warmup=round(spec.warmup_epochs * n_each))
            for group in optimizer.param_groups:
                group["lr"] = spec.learning_rate * rate * group["factor"]
            rows = torch.from_numpy(train[batch])
            loss = nn.functional.cross_entropy(network(images[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            some.append(float(loss.detach()))
            step += 1
            times.append((time.perf_counter(), len(batch)))
        losses.append(float(np.mean(some)))
    return network, losses, sum(n for _, n in times[1:]) / (times[-1][0] - times[0][0])


def speeds(given: Ready, epochs: int) -> dict[str, Any]:
    """Rates of the three ways, and how far their loss curves lie apart."""
    train = np.arange(len(given.labels))
    ways: dict[str, Callable[[], tuple[Any, float]]] = {
        "cached": lambda: _curve(trained(given, given.maps, train, epochs)),
        "recomputed": lambda: _curve(
            trained(given, Recomputed(given.backbone, given.stage, given.pixels), train, epochs)
        ),
        "plain": lambda: plain(given, train, epochs)[1:],
    }
    found = {name: [way() for _ in range(2)] for name, way in ways.items()}
    rate = {name: max(speed for _, speed in runs) for name, runs in found.items()}
    curve = {name: runs[0][0] for name, runs in found.items()}
    apart = {name: float(np.max(np.abs(np.array(curve[name]) - curve["cached"]))) for name in ("recomputed", "plain")}
    return {
        "images_per_s": rate,
        "losses": curve,
        "largest_distance_of_losses": apart,
        "times_recomputed": rate["cached"] / rate["recomputed"],
        "times_plain": rate["cached"] / rate["plain"],
    }


def _curve(found: tuple[FineTuned, float]) -> tuple[list[float], float]:
    return found[0].history.train_loss[1:].tolist(), found[1]


def accuracy(given: Ready, dataset: ImageDataset, epochs: int) -> dict[str, Any]:
    """5 folds, both ways on the same images: their accuracy and the paired difference."""
    from headstart.finetuning import predict_images

    split = split_dataset(dataset, scheme="nested:5x4", seed=0)
    said = {name: np.zeros((len(dataset), 2)) for name in ("cached", "plain")}
    fold = np.zeros(len(dataset), dtype=np.int64)
    images = given.backbone.normalise(given.pixels, torch.device("cpu")).contiguous()
    for number, train, test in split.outer(0):
        found, _ = trained(given, given.maps, train, epochs)
        setting = TrainingContext(given.backbone, given.stage, given.start(train), n_threads=N_THREADS)
        said["cached"][test] = predict_images(
            found, setting.backbone, setting.stage, given.maps, test, device=setting.device
        )
        network, _, _ = plain(given, train, epochs)
        with torch.inference_mode():
            said["plain"][test] = torch.softmax(network(images[torch.from_numpy(test)]).double(), dim=1).numpy()
        fold[test] = number
    oof = {
        name: OutOfFold(
            labels=given.labels,
            probabilities=values[None],
            fold=fold[None],
            classes=dataset.classes,
            positive=1,
            weights=None,
            groups=None,
        )
        for name, values in said.items()
    }
    row = compare_paired(oof["cached"], oof["plain"], metrics=("accuracy",), seed=0).to_json()["metrics"]["accuracy"]
    return {"cached": row["a"], "plain": row["b"], "difference": row["difference"], "ci95": row["ci95"]}


def main() -> int:
    """1 when a step is slower than asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer images, EfficientNet-Lite0 alone")
    quick = parser.parse_args().quick
    torch.set_num_threads(N_THREADS)
    cells = solar_cells()
    whole = cells.dataset(cells.probability > 0.5)
    some = np.sort(np.random.default_rng(0).choice(len(whole), 64 if quick else 256, replace=False))
    dataset = whole.subset(some)
    rows, results, missed = [], {}, []
    with tempfile.TemporaryDirectory() as name:
        for case in CASES[:1] if quick else CASES:
            given = ready(case, dataset, Path(name))
            n_fast = 64 if quick else 96
            few = Ready(
                case,
                given.backbone,
                given.stage,
                given.pixels[:n_fast],
                given.maps,
                given.labels[:n_fast],
                given.features[:n_fast],
            )
            found = speeds(few, 2)
            if case.asked_plain is not None:
                found["accuracy"] = accuracy(given, dataset, 2 if quick else 3)
            results[case.backbone] = {
                **found,
                "unlock": case.unlock,
                "asked": case.asked,
                "asked_plain": case.asked_plain,
            }
            rows.append(
                [
                    case.backbone,
                    case.unlock,
                    *(f"{found['images_per_s'][way]:.1f}" for way in ("cached", "recomputed", "plain")),
                    f"{found['times_recomputed']:.2f} ({case.asked})",
                    f"{found['times_plain']:.2f} ({case.asked_plain or '-'})",
                    f"{found['largest_distance_of_losses']['recomputed']:.1e}",
                ]
            )
            if found["times_recomputed"] < case.asked or found["times_plain"] < (case.asked_plain or 0):
                missed.append(case.backbone)
    columns = [
        "backbone",
        "unlocked",
        "cached, images/s",
        "recomputed",
        "plain",
        "times recomputed (asked)",
        "times plain (asked)",
        "losses apart",
    ]
    print(table(columns, rows))
    if "accuracy" in results["efficientnet_lite0"]:
        print("Accuracy, 5 folds:", results["efficientnet_lite0"]["accuracy"])
    if not quick:
        write_results("finetune_step", results)
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
