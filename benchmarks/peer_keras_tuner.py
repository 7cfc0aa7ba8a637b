"""KerasTuner, run in the peers' own environment: a grid search that runs backbone and head in every epoch.

As its documentation has it: a `HyperModel` with the frozen application under a head of its own, a `GridSearch` over it,
images in memory. ``python peer_keras_tuner.py FOLDER POLICY N_TRAINING N_VALIDATION BATCH_SIZES OPTIMIZERS``: POLICY is
``float32``, Keras's default, or ``mixed_bfloat16``; the last two are lists parted by commas. One line of JSON for every
configuration: seconds to build, then of every epoch for training and for validation, and of all together.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

import keras
import keras_tuner
import numpy as np
from PIL import Image

SIDE = 224
N_EPOCHS = 2  # the first compiles, the second shows what an epoch costs
OPTIMIZERS = {
    "momentum": lambda: keras.optimizers.SGD(3e-3, momentum=0.9),
    "rmsprop": lambda: keras.optimizers.RMSprop(1e-4),
    "adam": lambda: keras.optimizers.Adam(1e-4),
    "adamax": lambda: keras.optimizers.Adamax(5e-4),
}


class Clock(keras.callbacks.Callback):
    """Seconds of every epoch: training, validation. Both end by reading their figures, so nothing is under way."""

    def __init__(self) -> None:
        super().__init__()
        self.training: list[float] = []
        self.validation: list[float] = []
        self._start = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Training starts."""
        self._start = time.perf_counter()

    def on_test_begin(self, logs: Any = None) -> None:
        """Training is over, validation starts."""
        now = time.perf_counter()
        self.training.append(now - self._start)
        self._start = now

    def on_test_end(self, logs: Any = None) -> None:
        """Validation is over."""
        self.validation.append(time.perf_counter() - self._start)


class FrozenBase(keras_tuner.HyperModel):
    """DenseNet-121, frozen, under the paper's head; the settings of the head are searched.

    Parameters
    ----------
    batch_sizes : list of int
    optimizers : list of str
    """

    def __init__(self, batch_sizes: list[int], optimizers: list[str]) -> None:
        super().__init__()
        self.batch_sizes = batch_sizes
        self.optimizers = optimizers
        self._build_s = 0.0

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Network of one configuration; its weights are random, which costs what pretrained ones do."""
        start = time.perf_counter()
        base = keras.applications.DenseNet121(
            weights=None, include_top=False, pooling="avg", input_shape=(SIDE, SIDE, 3)
        )
        base.trainable = False
        inputs = keras.Input((SIDE, SIDE, 3))
        hidden = keras.layers.Dense(256, activation=hp.Choice("activation", ["sigmoid"]))(base(inputs, training=False))
        dropped = keras.layers.Dropout(hp.Choice("dropout", [0.5]))(hidden)
        model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax", dtype="float32")(dropped))
        optimizer = OPTIMIZERS[hp.Choice("optimizer", self.optimizers)]()
        model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        hp.Choice("batch_size", self.batch_sizes)
        self._build_s = time.perf_counter() - start
        return model

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **options: Any) -> Any:
        """Train it, with a clock beside the tuner's own callbacks."""
        clock = Clock()
        options["callbacks"] = [*options.get("callbacks", []), clock]
        start = time.perf_counter()
        found = model.fit(*args, batch_size=hp.get("batch_size"), **options)
        answer(
            {
                "settings": dict(hp.values),
                "build_s": self._build_s,
                "fit_s": time.perf_counter() - start,
                "training_s": clock.training,
                "validation_s": clock.validation,
            }
        )
        return found


def images_of(folder: Path, n_images: int) -> tuple[np.ndarray, np.ndarray]:
    """Some images, prepared as the application asks for, (n, 224, 224, 3) float32, and their classes."""
    paths = sorted(folder.rglob("*.png"))
    if len(paths) < n_images:
        raise SystemExit(f"{n_images} images are wanted, {folder} holds {len(paths)}")
    kinds = sorted({path.parent.name for path in paths})
    order = np.random.default_rng(0).permutation(len(paths))[:n_images]
    pixels = np.stack([np.asarray(Image.open(paths[at]).convert("RGB").resize((SIDE, SIDE))) for at in order])
    labels = np.array([kinds.index(paths[at].parent.name) for at in order])
    return keras.applications.densenet.preprocess_input(pixels.astype(np.float32)), labels


def main() -> None:
    """One search."""
    folder, policy, n_training, n_validation, batch_sizes, optimizers = sys.argv[1:]
    keras.config.set_dtype_policy(policy)
    first = int(n_training)
    images, labels = images_of(Path(folder), first + int(n_validation))
    hypermodel = FrozenBase([int(size) for size in batch_sizes.split(",")], optimizers.split(","))
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as directory:
        tuner = keras_tuner.GridSearch(hypermodel, objective="val_loss", max_trials=None, directory=directory)
        tuner.search(
            images[:first],
            labels[:first],
            epochs=N_EPOCHS,
            validation_data=(images[first:], labels[first:]),
            verbose=0,
        )
    answer({"search_s": time.perf_counter() - start, "n_trials": len(tuner.oracle.trials)})


def answer(value: dict[str, object]) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
