"""int8 by post-training quantisation: the network, and what it costs in accuracy."""

from __future__ import annotations

import contextlib
import io
import logging
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.engines.capabilities import openvino_absence, openvino_precisions, silence_telemetry
from headstart.engines.openvino_convert import convert, to_bytes
from headstart.errors import EngineError
from headstart.features.engine_selection.parity import cross_probe
from headstart.runtime.warnings import QUIET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from headstart.backbones.backbone import Backbone
    from headstart.backbones.feature_block import FeatureBlock

MAX_CALIBRATION = 300
MAX_JUDGED = 256
INSTALL = 'pip install "headstart[int8]"'
_Z95 = 1.959963984540054


def check_int8() -> None:
    """Refuse int8 where it cannot be made.

    Raises
    ------
    EngineError
        When OpenVINO, nncf or the processor's arithmetic is missing.
    """
    if openvino_absence():
        raise EngineError(f"int8 needs OpenVINO: {openvino_absence()}. Run: {INSTALL}")
    if "int8" not in openvino_precisions():
        raise EngineError("This processor has no int8 arithmetic. Use --precision auto.")
    _import_nncf()


def quantise(
    backbone: Backbone,
    size: tuple[int, int],
    batch_size: int,
    pixels: NDArray[Any],
    *,
    blocks: Sequence[FeatureBlock] = (),
) -> bytes:
    """The network in int8, its scales found on some of the user's images.

    Parameters
    ----------
    backbone : Backbone
    size : (int, int)
        Height and width in pixels.
    batch_size : int
    pixels : ndarray of shape (n_images, height, width, 3), uint8 or float32
        As prepared, at least one, of the type that the network shall take; made up to whole batches from the first
        ones.
    blocks : sequence of FeatureBlock
        What the network gives, where that is not the pooled output of the last stage.

    Raises
    ------
    EngineError
        When something is missing, or the network cannot be quantised.
    """
    check_int8()
    nncf = _import_nncf()
    n_batches = -(-len(pixels) // batch_size)
    whole = np.resize(pixels, (n_batches * batch_size, *pixels.shape[1:]))
    batches = [np.ascontiguousarray(part) for part in np.split(whole, n_batches)]
    model = convert(backbone, size, batch_size, dtype=pixels.dtype, blocks=blocks)
    try:
        with _quiet():
            found = nncf.quantize(model, nncf.Dataset(batches), subset_size=n_batches)
    except (RuntimeError, ValueError, nncf.ValidationError, nncf.InternalError) as error:
        raise EngineError(f"{backbone.name!r} cannot be quantised ({error}). Use --precision auto.") from error
    return to_bytes(found)


def accuracy_cost(plain: NDArray[Any], quantised: NDArray[Any], labels: NDArray[np.int64]) -> dict[str, Any]:
    """Accuracy of a linear probe on both versions of the same images, and the difference with its interval.

    The probe is fitted on the fp32 features of one half of the images and judged on the other, and the other way round.

    Parameters
    ----------
    plain, quantised : ndarray of shape (n_images, n_features)
    labels : ndarray of shape (n_images,), int64

    Returns
    -------
    dict
        ``fp32``, ``int8``, ``difference`` (int8 minus fp32), ``ci95``, ``n_images``.

    References
    ----------
    Agresti and Min, "Simple improved confidence intervals for comparing matched proportions", Statistics in Medicine
    2005, DOI 10.1002/sim.1781.
    """
    rows = np.asarray(plain, np.float64)
    right = cross_probe(rows, rows, labels) == labels
    still = cross_probe(rows, np.asarray(quantised, np.float64), labels) == labels
    gained, lost = float((still & ~right).sum()), float((right & ~still).sum())
    total, more, less = len(labels) + 2.0, gained + 0.5, lost + 0.5
    middle = (more - less) / total
    reach = _Z95 * math.sqrt(more + less - (more - less) ** 2 / total) / total
    return {
        "fp32": round(float(right.mean()), 6),
        "int8": round(float(still.mean()), 6),
        "difference": round(float(still.mean() - right.mean()), 6),
        "ci95": [round(max(-1.0, middle - reach), 6), round(min(1.0, middle + reach), 6)],
        "n_images": len(labels),
    }


def _import_nncf() -> Any:
    silence_telemetry()
    try:
        with _quiet():
            import nncf
    except ImportError as error:
        raise EngineError(f"int8 needs the package nncf ({error}). Run: {INSTALL}") from error
    nncf.set_log_level(logging.ERROR)
    return nncf


@contextlib.contextmanager
def _quiet() -> Any:
    """Without nncf's bars and warnings, which speak to its developers."""
    nothing = io.StringIO()
    with QUIET, contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
        yield
