"""Probabilities by unlocked stages and their head: the same code in training, in judging and in the bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from headstart.finetuning.network import UnlockedNetwork
from headstart.runtime.precision import full_precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.backbones.backbone import Backbone
    from headstart.finetuning.inputs import Maps
    from headstart.finetuning.result import FineTuned
    from headstart.heads import FittedHead

BATCH: Final = 32
"""Maps of a forward pass; the last batch is filled up, so that every map meets the same shapes."""


def features_of(network: Any, maps: NDArray[Any], *, device: torch.device) -> NDArray[np.float32]:
    """Pooled features (n, feature_width) of stage maps (n, *row_shape).

    Parameters
    ----------
    network : object with a method ``features``
        Such as `UnlockedNetwork`, in evaluation mode.
    maps : ndarray, float16 or float32
    device : torch.device
    """
    parts = []
    with torch.inference_mode():
        for start in range(0, len(maps), BATCH):
            some = maps[start : start + BATCH]
            filled = np.zeros((BATCH, *some.shape[1:]), dtype=np.float32)
            filled[: len(some)] = some
            given = torch.from_numpy(filled).to(device)
            if given.ndim == 4:
                given = given.contiguous(memory_format=torch.channels_last)
            parts.append(network.features(given)[: len(some)].float().cpu().numpy())
    return np.concatenate(parts)


def probabilities_of(
    network: UnlockedNetwork,
    head: FittedHead,
    maps: Maps,
    rows: NDArray[np.int64],
    *,
    device: torch.device,
    n_views: int | None = None,
) -> NDArray[np.float64]:
    """Probabilities (n, n_classes) of some images, the mean over their views.

    Parameters
    ----------
    network : UnlockedNetwork
        Put in evaluation mode.
    head : FittedHead
    maps : Maps
    rows : ndarray of int64
    device : torch.device
    n_views : int, optional
        Only the first so many views. Default: all.
    """
    network.eval()
    views = range(maps.n_views if n_views is None else n_views)
    found = np.zeros((len(rows), head.n_classes))
    n_each = max(BATCH // len(views), 1) * 4
    for start in range(0, len(rows), n_each):
        some = np.repeat(rows[start : start + n_each], len(views))
        taken = maps.take(some, np.tile(np.arange(len(views)), len(some) // len(views)))
        each = head.predict_proba(features_of(network, taken, device=device))
        found[start : start + n_each] = each.reshape(-1, len(views), head.n_classes).mean(axis=1)
    return found


def predict_images(
    trained: FineTuned,
    backbone: Backbone,
    stage: str | None,
    maps: Maps,
    rows: NDArray[np.int64],
    *,
    device: str,
) -> NDArray[np.float64]:
    """Probabilities (n, n_classes) of some images by a trained network, the mean over their views.

    Parameters
    ----------
    trained : FineTuned
    backbone : Backbone
        What its training started from.
    stage : str or None
        Its last frozen stage.
    maps : Maps
        Stage maps of all images.
    rows : ndarray of int64
        Images to predict.
    device : str
    """
    if len(rows) == 0:
        return np.zeros((0, trained.head.n_classes))
    network = ready_network(backbone, stage, trained.head, device=device)
    network.load(trained.arrays)
    with full_precision():
        return probabilities_of(network, trained.head, maps, rows, device=torch.device(device))


def ready_network(backbone: Backbone, stage: str | None, head: FittedHead, *, device: str) -> UnlockedNetwork:
    """Unlocked stages in evaluation mode, as they predict."""
    return UnlockedNetwork(backbone, stage, head, adapt_norms=False, device=torch.device(device)).eval()
