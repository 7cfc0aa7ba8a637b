"""Tiny data sets, networks and options that the tests of the upper rooms share."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

SIDE = 32
BACKBONE = "test_resnet"
CLASSES = ("calm", "rough")

# The heads of `options`, for the command line.
STUDY = Path(__file__).with_name("heads.toml")


def noise(n_images: int, *, seed: int = 0, spread: Sequence[float] = (24, 25.5), side: int = 20) -> np.ndarray:
    """Grey-valued noise, class after class in turn; classes differ in its strength and are not quite separable."""
    strength = np.array([spread[row % len(spread)] for row in range(n_images)])
    values = np.random.default_rng(seed).normal(size=(n_images, side, side + 4, 3)) * strength[:, None, None, None]
    return np.clip(128 + values, 0, 255).astype(np.uint8)


def labels_of(n_images: int, classes: Sequence[str] = CLASSES) -> list[str]:
    return [classes[row % len(classes)] for row in range(n_images)]


def write_folders(root: Path, n_images: int = 48, *, seed: int = 0, classes: Sequence[str] = CLASSES) -> Path:
    """A folder of class folders with PNG files."""
    images = noise(n_images, seed=seed, spread=[24 + 1.5 * code for code in range(len(classes))])
    for row, (pixels, label) in enumerate(zip(images, labels_of(n_images, classes), strict=True)):
        write_image(root / label / f"{row:03d}.png", pixels)
    return root


def write_image(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def write_text(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def write_table(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """A CSV manifest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def options(**changes: Any) -> Any:
    """Options of a fit that takes a second: heads of two kinds compete. It judges no baselines and explains nothing.

    Where a test is about the heads that compete when nothing is said, it asks for them with ``study=None``.
    """
    from headstart.workflow import FitOptions

    quick = {
        "backbone": BACKBONE,
        "weights": "random",
        "input_size": SIDE,
        "split": "nested:3x2",
        "threads": 1,
        "device": "cpu",
        "cache": None,
        "baselines": False,
        "explanations": False,
        "study": heads(logistic={"C": [0.1, 1.0]}, dense={"epochs": [5]}),
    }
    return FitOptions(**(quick | changes))


def cheap_options(**changes: Any) -> Any:
    """Options of a fit that takes half a second: two logistic heads compete. It does not matter which heads do."""
    return options(**({"study": heads(logistic={"C": [0.1, 1.0]})} | changes))


def heads(**tables: dict[str, list[Any]]) -> Any:
    """A search space of heads of these kinds and settings, on the features that the fit asks for."""
    from headstart.study.search.candidate import FeatureSourceSpec
    from headstart.study.search.space import HeadTable, Space

    return Space((FeatureSourceSpec(),), tuple(HeadTable.of(kind, values) for kind, values in tables.items()))


@contextmanager
def no_figures() -> Iterator[None]:
    """Reports of one line: figures take most of the time of a tiny fit, and most tests look at neither."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("headstart.report.write.report_page", lambda context, progress: "A report without figures.")
        yield


def sizes_computed(patch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of all batches that extractors compute from now on; a fit measures some images one by one in any case."""
    from headstart.features.extractor import Extractor

    compute = Extractor.compute
    sizes: list[int] = []

    def noted(self: Extractor, pixels: Any) -> Any:
        sizes.append(self.engine.batch_size)
        return compute(self, pixels)

    patch.setattr(Extractor, "compute", noted)
    return sizes


@contextmanager
def empty_figures() -> Iterator[None]:
    """Reports with all their words, whose figures are planned and never drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("headstart.report.write.render", lambda figure: (b"<svg/>", b""))
        yield


def extractor(features: str = "last", **engine: Any) -> Any:
    from headstart.backbones.backbone import load_backbone
    from headstart.data import ImageResize
    from headstart.engines.engine import decide_engine
    from headstart.features.extractor import Extractor
    from headstart.features.open import requested_blocks

    backbone = load_backbone(BACKBONE, weights="random")
    preparation = ImageResize((SIDE, SIDE), interpolation=backbone.interpolation)
    decided = decide_engine(**({"device": "cpu", "n_threads": 1} | engine))
    return Extractor(backbone, preparation, decided, blocks=requested_blocks(features, backbone, (SIDE, SIDE)))


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder and its content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def write_candidates(path: Path, candidates: Any, folds: Any, **about: Any) -> None:
    """``candidates.parquet`` of these candidates and folds."""
    from headstart.results.exports.candidates import candidates_parquet
    from headstart.storage import write_bytes

    write_bytes(path, candidates_parquet(candidates, folds, **about))


class Notes:
    """Progress that keeps the notes."""

    def __init__(self) -> None:
        from headstart.progress import Silent

        self.texts: list[str] = []
        self.task, self.stage, self.expect = Silent().task, Silent().stage, Silent().expect

    def note(self, text: str) -> None:
        self.texts.append(text)
