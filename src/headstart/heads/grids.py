"""Candidate settings offered by default and what they cost."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator

from headstart.errors import InputError, unknown_name
from headstart.heads.batched.plan import Shape, batch_rows
from headstart.heads.spec import HeadSpec
from headstart.storage import canonical_json

FOREST_SECONDS = 6e-8
"""Seconds to look at one row by one feature, once in every level of a tree."""
PAPER_RATES = {"momentum": 3e-3, "rmsprop": 1e-4, "adam": 1e-4, "adamax": 5e-4}
"""Learning rates of the grid "paper", which the paper does not give.

Measured on ELPV (docs/heads.md): with these, every optimizer comes to about its least log loss within 10 to 30 epochs
at batches of 32 as well as of 256, so that the grid's epochs have something to choose between.
"""


def _paper_grid() -> Iterator[HeadSpec]:
    """The paper's search over the head, with values of ours: it gives only the winner.

    References
    ----------
    A. Brodzicki et al., 2020, section 4.3 and Table 3. DOI 10.2478/fcds-2020-0010
    """
    for activation, dropout, optimizer, batch_size, epochs in itertools.product(
        ("relu", "sigmoid", "tanh"), (0.3, 0.5, 0.7), PAPER_RATES, (32, 128, 256), (10, 20, 30)
    ):
        yield HeadSpec(
            "dense",
            {
                "activation": activation,
                "dropout": dropout,
                "optimizer": optimizer,
                "learning_rate": PAPER_RATES[optimizer],
                "batch_size": batch_size,
                "epochs": epochs,
            },
        )


GRIDS: dict[str, tuple[HeadSpec, ...]] = {
    "quick": (
        *(HeadSpec("dense", {"epochs": epochs}) for epochs in (10, 20)),
        *(HeadSpec("logistic", {"C": C}) for C in (1e-3, 1e-2, 3e-2)),
        HeadSpec("knn", {"k": 15, "votes": "uniform"}),
        HeadSpec("knn", {"k": 50, "votes": "distance"}),
        HeadSpec("svm", {"C": 3.0, "gamma": 0.25}),
        HeadSpec("svm", {"C": 3.0, "gamma": 0.5}),
    ),
    "wide": (
        *(
            HeadSpec("dense", {"activation": activation, "learning_rate": rate, "epochs": epochs})
            for activation in ("relu", "sigmoid")
            for rate in (1e-4, 3e-4)
            for epochs in (5, 10, 20, 40)
        ),
        *(HeadSpec("logistic", {"C": C}) for C in (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 1.0)),
        *(HeadSpec("knn", {"k": k, "votes": votes}) for votes in ("distance", "uniform") for k in (1, 5, 15, 50, 100)),
        *(HeadSpec("svm", {"C": C, "gamma": gamma}) for gamma in (0.25, 0.5, 1.0) for C in (0.3, 1.0, 3.0, 10.0)),
        *(HeadSpec("ridge", {"alpha": alpha}) for alpha in (3e2, 1e3, 3e3, 1e4)),
        *(HeadSpec("lda", {"shrinkage": shrinkage}) for shrinkage in ("auto", 0.1, 0.5, 0.9)),
    ),
    "paper": tuple(_paper_grid()),
}


def grid(name: str = "quick") -> list[HeadSpec]:
    """Candidate heads, those of a kind together.

    Parameters
    ----------
    name : {"quick", "wide", "paper"}
        "quick" keeps what gained on real data and is the default; "wide" searches several times as many; "paper" is
        the paper's search over dense heads: 324 of them.

    Raises
    ------
    InputError
        When the name is unknown.

    Examples
    --------
    >>> sorted({spec.kind for spec in grid()})
    ['dense', 'knn', 'logistic', 'svm']
    """
    if name not in GRIDS:
        raise InputError(unknown_name("grid of heads", name, GRIDS))
    return list(GRIDS[name])


def cost(spec: HeadSpec, n_rows: int, n_features: int, n_classes: int, *, precision: str = "fp32") -> float:
    """Rough seconds to fit one head alone, on one core of 2023 (60 GFLOP/s in float64); half or double is usual.

    `precision` is that of the products of dense heads; "bf16" speaks of a processor that has it.

    >>> cost(HeadSpec("logistic"), 2000, 1280, 2) < cost(HeadSpec("logistic", {"C": 1.0}), 2000, 1280, 2)
    True
    """
    _, shared, own = _parts(spec, n_rows, n_features, n_classes, precision)
    return shared + own


def total_cost(
    specs: Iterable[HeadSpec], n_rows: int, n_features: int, n_classes: int, *, precision: str = "fp32"
) -> float:
    """Rough seconds to fit all heads once, with the work `fit_heads` shares among them counted once."""
    shared_seconds: dict[str, float] = {}
    own_seconds = 0.0
    for spec in specs:
        key, shared, own = _parts(spec, n_rows, n_features, n_classes, precision)
        shared_seconds[key] = max(shared, shared_seconds.get(key, 0.0))
        own_seconds += own
    return own_seconds + sum(shared_seconds.values())


def _parts(spec: HeadSpec, n: int, d: int, n_classes: int, precision: str) -> tuple[str, float, float]:
    """Name of the work shared with others, its seconds, and the seconds of this head's own work.

    The constants are fitted to timings of d = 1280, n = 200 to 2,100, 2 classes; those of the dense head to
    d = 1024, n = 3,667, batches of 32, 128 and 256.
    """
    machines = 1 if n_classes == 2 else n_classes
    if spec.kind == "dense":
        key = canonical_json({name: value for name, value in spec.settings.items() if name != "epochs"})
        return key, spec.number("epochs") * _epoch_seconds(Shape.of(spec, d, n_classes), spec, n, precision), 0.0
    if spec.kind == "logistic":
        iterations = 20 + 600 * spec.number("C") ** 0.4
        return "logistic", 0.0, iterations * n * d * 0.7e-9 * machines
    if spec.kind == "svm":
        return "svm", n * n * d * 1.7e-11, n * n * (1e-8 + 2.3e-8 * machines)
    if spec.kind == "ridge":
        small = min(n, d)
        return "ridge", 3.4e-11 * n * d * small + 4e-10 * small**3, 1e-9 * n * small * (2 + n_classes)
    if spec.kind == "lda":
        key = "lda" if spec.settings["shrinkage"] != "auto" else "lda auto"
        return key, 3.4e-11 * n * d * d, 1.2e-11 * d**3
    return spec.kind, *_other_parts(spec, n, d)


def _other_parts(spec: HeadSpec, n: int, d: int) -> tuple[float, float]:
    """Shared and own seconds of kNN and of the rivals' kinds."""
    if spec.kind == "forest":
        return 0.0, spec.number("trees") * min(n, 1000) * math.log2(max(n, 2)) * math.sqrt(d) * FOREST_SECONDS
    return (n * d * 2e-9 if spec.kind == "knn" else 0.0), 0.0


def _epoch_seconds(shape: Shape, spec: HeadSpec, n_rows: int, precision: str) -> float:
    """Seconds of one epoch of a dense head: products, activations, updates and what every step costs."""
    first = shape.matrices[0][0] * shape.n_columns
    products = (1.2e-11 if precision == "bf16" else 4.4e-11) * first + 4.4e-11 * (shape.n_parameters - first)
    activations = 2.5e-9 * shape.n_units * shape.n_layers
    steps = math.ceil(n_rows / batch_rows(spec.whole("batch_size"), n_rows))
    return n_rows * (products + activations) + steps * (8e-10 * shape.n_parameters + 3e-5)
