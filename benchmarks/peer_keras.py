"""Keras 3 on JAX, run in the peers' own environment: features of a folder of images, one round per line on stdin.

As its documentation has it without TensorFlow: `image_dataset_from_directory(format="grain")`, the application's own
`preprocess_input`, and `predict` with batches of 32, which is compiled by XLA. ``python peer_keras.py FOLDER
ARCHITECTURE POLICY``, where POLICY is ``float32``, Keras's default, or ``mixed_bfloat16``.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings

os.environ["KERAS_BACKEND"] = "jax"

import keras

BATCH_SIZE = 32
SIDE = 224


def main() -> None:
    """Say how long the model took to be ready, then seconds and rows of every round."""
    folder, architecture, policy = sys.argv[1:]
    warnings.filterwarnings("ignore", message="Your input ran out of data")  # grain's data sets have no length
    keras.config.set_dtype_policy(policy)
    start = time.perf_counter()
    build, module = {
        "vgg19": (keras.applications.VGG19, keras.applications.vgg19),
        "resnet50": (keras.applications.ResNet50, keras.applications.resnet),
        "densenet121": (keras.applications.DenseNet121, keras.applications.densenet),
    }[architecture]
    model = build(weights=None, include_top=False, pooling="avg", input_shape=(SIDE, SIDE, 3))
    images = keras.utils.image_dataset_from_directory(
        folder,
        labels=None,
        batch_size=BATCH_SIZE,
        image_size=(SIDE, SIDE),
        shuffle=False,
        format="grain",
        verbose=False,
    ).map(module.preprocess_input)
    model.predict(next(iter(images)), verbose=0)
    answer({"ready_s": time.perf_counter() - start})
    for _ in sys.stdin:
        start = time.perf_counter()
        features = model.predict(images, verbose=0)
        answer({"seconds": time.perf_counter() - start, "shape": list(features.shape)})


def answer(value: dict[str, object]) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
