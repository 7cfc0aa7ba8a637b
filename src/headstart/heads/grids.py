"""Candidate settings offered by default and what they cost."""

from __future__ import annotations

from collections.abc import Iterable

from headstart.errors import InputError, unknown_name
from headstart.heads.spec import HeadSpec
from headstart.storage import canonical_json

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
}


def grid(name: str = "quick") -> list[HeadSpec]:
    """Candidate heads, those of a kind together.

    Parameters
    ----------
    name : {"quick", "wide"}
        "quick" keeps what gained on real data and is the default; "wide" searches several times as many.

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


def cost(spec: HeadSpec, n_rows: int, n_features: int, n_classes: int) -> float:
    """Rough seconds to fit one head alone, on one core of 2023 (60 GFLOP/s in float64); half or double is usual.

    >>> cost(HeadSpec("logistic"), 2000, 1280, 2) < cost(HeadSpec("logistic", {"C": 1.0}), 2000, 1280, 2)
    True
    """
    _, shared, own = _parts(spec, n_rows, n_features, n_classes)
    return shared + own


def total_cost(specs: Iterable[HeadSpec], n_rows: int, n_features: int, n_classes: int) -> float:
    """Rough seconds to fit all heads once, with the work `fit_heads` shares among them counted once."""
    shared_seconds: dict[str, float] = {}
    own_seconds = 0.0
    for spec in specs:
        key, shared, own = _parts(spec, n_rows, n_features, n_classes)
        shared_seconds[key] = max(shared, shared_seconds.get(key, 0.0))
        own_seconds += own
    return own_seconds + sum(shared_seconds.values())


def _parts(spec: HeadSpec, n: int, d: int, n_classes: int) -> tuple[str, float, float]:
    """Name of the work shared with others, its seconds, and the seconds of this head's own work.

    The constants are fitted to timings of d = 1280, n = 200 to 2,100, 2 classes.
    """
    machines = 1 if n_classes == 2 else n_classes
    if spec.kind == "dense":
        key = canonical_json({name: value for name, value in spec.settings.items() if name != "epochs"})
        steps = n / min(spec.number("batch_size"), max(8, n // 8))
        parameters = d * spec.number("units")
        return key, spec.number("epochs") * parameters * (4.4e-11 * n + 2.5e-9 * steps), 0.0
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
    return "knn", n * d * 2e-9, 0.0
