"""Keras 3 on JAX, run in the peers' own environment: heads on features in memory, one setting per line on stdin.

What one would write: a `Sequential` of the head's layers, `compile`, `fit` for the setting's epochs, then the
validation rows once. ``python peer_keras_heads.py FEATURES``: an npz file with ``training``, ``training_labels``,
``validation`` and ``validation_labels``. A setting is a JSON object with ``units``, ``activation``, ``dropout``,
``optimizer``, ``learning_rate``, ``batch_size`` and ``epochs``. The answer: seconds of building, of every epoch (the
first compiles), of the validation rows and of all together, and the validation loss.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np

OPTIMIZERS = {
    "momentum": lambda rate: keras.optimizers.SGD(rate, momentum=0.9),
    "rmsprop": keras.optimizers.RMSprop,
    "adam": keras.optimizers.Adam,
    "adamax": keras.optimizers.Adamax,
}


class Clock(keras.callbacks.Callback):
    """Seconds of every epoch; each ends by reading its loss, so nothing is under way."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._start = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """An epoch starts."""
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """It is over."""
        self.seconds.append(time.perf_counter() - self._start)


def head(setting: dict[str, Any], n_features: int, n_classes: int) -> keras.Model:
    """The paper's head, compiled."""
    model = keras.Sequential(
        [
            keras.Input((n_features,)),
            keras.layers.Dense(setting["units"], activation=setting["activation"]),
            keras.layers.Dropout(setting["dropout"]),
            keras.layers.Dense(n_classes, activation="softmax"),
        ]
    )
    optimizer = OPTIMIZERS[setting["optimizer"]](setting["learning_rate"])
    model.compile(optimizer, loss="sparse_categorical_crossentropy")
    return model


def fitted(setting: dict[str, Any], data: dict[str, np.ndarray]) -> dict[str, Any]:
    """Build, train and judge one setting, as in a loop over many: what the one before left is cleared first."""
    start = time.perf_counter()
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    model = head(setting, data["training"].shape[1], int(data["training_labels"].max()) + 1)
    built, clock = time.perf_counter(), Clock()
    model.fit(
        data["training"],
        data["training_labels"],
        batch_size=setting["batch_size"],
        epochs=setting["epochs"],
        callbacks=[clock],
        verbose=0,
    )
    trained = time.perf_counter()
    loss = model.evaluate(data["validation"], data["validation_labels"], batch_size=setting["batch_size"], verbose=0)
    end = time.perf_counter()
    return {
        "build_s": built - start,
        "epoch_s": clock.seconds,
        "validation_s": end - trained,
        "seconds": end - start,
        "loss": float(loss),
    }


def main() -> None:
    """Say that the features are read, then fit what is asked for."""
    (features,) = sys.argv[1:]
    start = time.perf_counter()
    with np.load(features) as stored:
        data = {name: stored[name] for name in stored.files}
    answer({"ready_s": time.perf_counter() - start})
    for line in sys.stdin:
        answer(fitted(json.loads(line), data))


def answer(value: dict[str, object]) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
