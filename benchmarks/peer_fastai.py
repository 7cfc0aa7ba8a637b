"""fastai, run in the peers' own environment: predictions for a folder of images, one round per line on stdin.

As its documentation has it: a `vision_learner` of torchvision's architecture, `test_dl` and `get_preds`, with the
default batch of 64 and the default number of loader processes. ``python peer_fastai.py FOLDER ARCHITECTURE``. Its head
comes on top of the base, at less than a thousandth of its cost. `to_bf16` exists, but switches itself off without CUDA.
"""

from __future__ import annotations

import json
import sys
import time
import types
from pathlib import Path
from typing import Any

SIDE = 224
REGISTRATIONS = "torchvision._meta_registrations"


def main() -> None:
    """Say how long the learner took to be ready, then seconds and rows of every round."""
    folder, architecture = sys.argv[1:]
    # torchvision's wheel for CUDA cannot register its operators beside a torch for the CPU; none of them is used here
    sys.modules.setdefault(REGISTRATIONS, types.ModuleType(REGISTRATIONS))
    import torch
    import torchvision
    from fastai.vision.all import ImageDataLoaders, Resize, get_image_files, vision_learner

    start = time.perf_counter()
    files = sorted(get_image_files(folder))
    loaders = ImageDataLoaders.from_folder(
        folder, valid_pct=0.5, seed=0, item_tfms=Resize(SIDE, method="squash"), device=torch.device("cpu")
    )
    learner = vision_learner(loaders, getattr(torchvision.models, architecture), pretrained=False)
    predict(learner, files[:32])
    answer({"ready_s": time.perf_counter() - start})
    for _ in sys.stdin:
        start = time.perf_counter()
        shape = predict(learner, files)
        answer({"seconds": time.perf_counter() - start, "shape": shape})


def predict(learner: Any, files: list[Path]) -> list[int]:
    """Shape of the predictions for these files."""
    with learner.no_bar(), learner.no_logging():
        predictions, _ = learner.get_preds(dl=learner.dls.test_dl(files))
    return list(predictions.shape)


def answer(value: dict[str, object]) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
