"""How far a map may be trusted: tests beside every picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.backbones.backbone import load_backbone
from headstart.data.image_resize import ImageResize
from headstart.engines.engine import Engine
from headstart.explain.class_maps import explain
from headstart.explain.contrast import contrast_weights
from headstart.explain.scored_model import Pictures, ScoredModel
from headstart.heads import fit_heads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data import ImageDataset
    from headstart.data.images.orientation import Box
    from headstart.explain.explanation import Explanation
    from headstart.heads import FittedHead
    from headstart.model import Model

    Floats = NDArray[np.float64]

GRID: Final = 14
"""Cells of a map across and down, when maps are compared and places covered: those of a stage of stride 16 at 224."""
N_STEPS: Final = 7
N_RANDOM: Final = 3
SURVIVES: Final = 0.5
"""Rank correlation from which on two maps count as alike."""
DARK: Final = 127
"""Largest value of a mask, 0 to 255, that is outside."""
_BATCH: Final = 16


def on_cells(values: NDArray[np.float32], n_cells: int = GRID) -> Floats:
    """Means of a map (height, width) over a grid of cells, at most one for each pixel.

    >>> on_cells(np.arange(16, dtype=np.float32).reshape(4, 4), 2).tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """
    rows, columns = (_edges(side, n_cells) for side in values.shape)
    sums = np.add.reduceat(np.add.reduceat(values.astype(np.float64), rows[:-1], axis=0), columns[:-1], axis=1)
    return np.asarray(sums / np.outer(np.diff(rows), np.diff(columns)))


def _edges(side: int, n_cells: int) -> NDArray[np.int64]:
    return np.linspace(0, side, min(n_cells, side) + 1).round().astype(np.int64)


def rank_correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Spearman's correlation of two maps over their cells; 0 where one of them is the same everywhere."""
    from scipy.stats import rankdata

    ranks = [rankdata(on_cells(values).ravel()) for values in (one, other)]
    if any(np.ptp(rank) == 0 for rank in ranks):
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


@dataclass(frozen=True)
class OrderTest:
    """What the score loses as the places of a map are covered, and wins as they are uncovered, against random order.

    Attributes
    ----------
    deletion : float
        Mean score under random order less that under the map's, in shares of the range of all scores of the test:
        above 0 the map finds places that matter sooner than chance, 0 as soon, below 0 later.
    insertion : float
        Mean score under the map's order less that under random order, in the same shares.
    """

    deletion: float
    insertion: float


def order_tests(model: ScoredModel, pictures: Pictures, explanation: Explanation, *, seed: int = 0) -> list[OrderTest]:
    """Deletion and insertion of every image, by the cells of a grid in the order of its map.

    What is covered takes the mean colour of its picture. Random orders are drawn by the seed, the same for all images.

    Parameters
    ----------
    model : ScoredModel
    pictures : Pictures
    explanation : Explanation
        Of the same images, in the same order.
    seed : int

    References
    ----------
    V. Petsiuk, A. Das, K. Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018,
    arXiv 1806.07421.
    """
    generator = np.random.default_rng(seed)
    n_cells = on_cells(explanation.maps[0]).size if len(explanation) else 0
    random = [generator.permutation(n_cells) for _ in range(N_RANDOM)]
    return [_order_test(model, pictures, explanation, row, random) for row in range(len(explanation))]


def _order_test(
    model: ScoredModel, pictures: Pictures, explanation: Explanation, row: int, random: Sequence[NDArray[np.int64]]
) -> OrderTest:
    cells = on_cells(explanation.maps[row])
    order = np.argsort(-cells.ravel(), kind="stable")
    kept = [np.ones(cells.size, dtype=bool), np.zeros(cells.size, dtype=bool)]
    kept += [~mask for mask in _first_cells(order)] + list(_first_cells(order))
    kept += [~mask for one in random for mask in _first_cells(one)]
    weights = contrast_weights(
        explanation.classes, model.model.head, explanation.targets[row], explanation.against[row]
    )
    scores = _scores_of(model, pictures, row, [mask.reshape(cells.shape) for mask in kept], weights)
    rest = scores[2:]
    deleted, inserted, chance = rest[:N_STEPS].mean(), rest[N_STEPS : 2 * N_STEPS].mean(), rest[2 * N_STEPS :].mean()
    unit = np.ptp(scores) or 1.0  # the whole and the blank picture among them, whose own difference may be next to none
    return OrderTest(float((chance - deleted) / unit), float((inserted - chance) / unit))


def _first_cells(order: NDArray[np.int64]) -> list[NDArray[np.bool_]]:
    """Masks of the first cells of an order, a little more of them each time, never none and never all."""
    numbers = np.linspace(0, len(order), N_STEPS + 2).round().astype(int)[1:-1]
    masks = []
    for number in numbers.tolist():
        mask = np.zeros(len(order), dtype=bool)
        mask[order[:number]] = True
        masks.append(mask)
    return masks


def _scores_of(
    model: ScoredModel, pictures: Pictures, row: int, kept: Sequence[NDArray[np.bool_]], weights: Floats
) -> Floats:
    """Scores of one picture with all but some cells covered."""
    pixels, fixed = pictures.pixels[row], pictures.fixed[row]
    mean = pixels.mean(axis=(0, 1), keepdims=True).astype(pixels.dtype)
    rows, columns = (_edges(side, GRID) for side in pixels.shape[:2])
    found = []
    for start in range(0, len(kept), _BATCH):
        masks = kept[start : start + _BATCH]
        large = [np.repeat(np.repeat(mask, np.diff(rows), axis=0), np.diff(columns), axis=1) for mask in masks]
        covered = np.stack([np.where(mask[..., None], pixels, mean) for mask in large])
        batch = Pictures(covered, np.repeat(fixed[None], len(masks), axis=0))
        found.append(model.scores(batch, np.repeat(weights[None], len(masks), axis=0)))
    return np.concatenate(found)


def random_network(model: Model, *, seed: int = 1) -> Model:
    """The model with its head on a network of random weights, which has learned nothing.

    Raises
    ------
    InputError, WeightsError
        When the network cannot be built here: one of a hub, without its files.
    """
    backbone = load_backbone(
        model.backbone.name, weights="random", offline=True, seed=seed, n_channels=model.backbone.n_channels
    )
    backbone = replace(backbone, mean=model.backbone.mean, std=model.backbone.std)
    return replace(model, backbone=backbone, engine=_plain(model.engine), network=None, unlocked=None)


def permuted_head(
    head: FittedHead, features: NDArray[np.float32], labels: NDArray[np.int64], *, seed: int
) -> FittedHead:
    """A head of the same kind and settings that was trained on the labels in random order.

    Parameters
    ----------
    head : FittedHead
    features : ndarray of shape (n_training, n_features), float32
    labels : ndarray of shape (n_training,), int64
    seed : int
    """
    shuffled = np.random.default_rng(seed).permutation(labels)
    (found,) = fit_heads([head.spec], np.ascontiguousarray(features), shuffled, n_classes=head.n_classes, seed=seed)
    return found


def likeness(explanation: Explanation, other: Model, dataset: ImageDataset) -> list[float]:
    """Rank correlation of every map with that of another model, of the same image, class and method."""
    told = explain(
        replace(other, engine=_plain(other.engine)),
        dataset,
        target=list(explanation.targets),
        against=list(explanation.against),
        method=explanation.method,
        stage=explanation.stage,
    )
    return [rank_correlation(one, same) for one, same in zip(explanation.maps, told.maps, strict=True)]


def _plain(engine: Engine) -> Engine:
    """The same device without a conversion, since only a few images come."""
    return Engine(device=engine.device, n_threads=engine.n_threads, batch_size=_BATCH)


def inside_mask(values: NDArray[np.float32], mask: NDArray[np.bool_]) -> tuple[float | None, float]:
    """Share of a map's positive heat inside a mask, and the mask's share of the picture.

    The first is None where nothing speaks for the class. A map that tells nothing has about as much inside as the mask
    covers.
    """
    heat = values.clip(min=0).astype(np.float64)
    total = heat.sum()
    return (float(heat[mask].sum() / total) if total > 0 else None), float(mask.mean())


def mask_on_input(
    dataset: ImageDataset, row: int, size: tuple[int, int], resize: str, box: Box | None = None
) -> NDArray[np.bool_]:
    """A mask as the picture it belongs to is shown to the network; what is brighter than half is inside.

    `box` is the part of the picture (left, top, right, bottom) that is shown, as shares of width and height; None: all.

    Raises
    ------
    ImageError
        When it cannot be read.
    """
    preparation = ImageResize(size, resize=resize)
    if box is None:
        return np.asarray(dataset.prepared(row, preparation)[..., 0] > DARK)
    picture = dataset.load(row)
    width, height = picture.size
    part = (box[0] * width, box[1] * height, box[2] * width, box[3] * height)
    return np.asarray(preparation.resized(picture, part)[..., 0] > DARK)
