"""Models of the outer folds of a run: its network with the small heads that the run keeps, one for each fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from headstart.data.preparation import restore_preparation
from headstart.data.table.encoding import TableEncoding
from headstart.decisions import Decisions
from headstart.errors import HeadstartError, RunError
from headstart.heads import FittedHead, HeadSpec
from headstart.model.bundle import read_json
from headstart.model.feature_recipe import LAST_STAGE, FeatureRecipe
from headstart.model.model import Model
from headstart.storage import file_bytes, hash_bytes

HEADS_FILE: Final = "heads.json"
_MISSHAPEN: Final = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)


@dataclass(frozen=True, eq=False)
class FoldModel:
    """Model of one outer fold, which never saw the images of that fold.

    Attributes
    ----------
    repeat, fold : int
    model : Model
    """

    repeat: int
    fold: int
    model: Model


@dataclass(frozen=True, eq=False)
class FoldModels:
    """Models of the outer folds of a run that have the network of its final model.

    Attributes
    ----------
    models : tuple of FoldModel
        In the order of repeats and folds.
    n_folds : int
        Number of all outer folds; others chose another network, or fine-tuned one, which a run does not keep.
    """

    models: tuple[FoldModel, ...]
    n_folds: int


def load_fold_models(folder: Path, final: Model) -> FoldModels:
    """Models of the outer folds, from ``RUN/folds`` and the network of the run's final model.

    Parameters
    ----------
    folder : Path
        The folder ``folds`` of a run.
    final : Model
        The run's own bundle.

    Raises
    ------
    RunError
        When a file is missing or damaged; said with its name.
    """
    from safetensors import SafetensorError

    path = folder / HEADS_FILE
    try:
        entries = read_json(path)["heads"]
        found = [_fold_model(folder, entry, final) for entry in entries]
    except (*_MISSHAPEN, OSError, SafetensorError, HeadstartError) as error:
        raise RunError(
            f"{path}: the heads of the outer folds cannot be understood ({_problem(error)}). Take a whole copy of the "
            "run, or run `headstart fit` again with a new folder."
        ) from error
    return FoldModels(tuple(one for one in found if one is not None), len(found))


def _problem(error: Exception) -> str:
    """What is wrong with a file, in words."""
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    if isinstance(cause, OSError):
        return f"{Path(str(cause.filename)).name} cannot be read: {(cause.strerror or str(cause)).lower()}"
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _fold_model(folder: Path, entry: Mapping[str, Any], final: Model) -> FoldModel | None:
    """Model of an entry of ``heads.json``; None where its network is not that of the final model."""
    source = entry["source"]
    same_network = (source["backbone"], source["weights"]) == (final.backbone.name, final.backbone.weights.to_json())
    if not same_network or final.unlocked is not None:
        return None
    head = _head(folder / str(entry["file"]), entry)
    stored = source.get("features")
    state = {name: np.array(values) for name, values in source.get("preparation_state", {}).items()}
    model = replace(
        final,
        head=head,
        preparation=restore_preparation(source["preparation"], state),
        features=LAST_STAGE if stored is None else FeatureRecipe.from_json(stored),
        decisions=Decisions.from_json(entry["decisions"], head.n_classes),
        table=TableEncoding.from_json(entry["table"]) if "table" in entry else None,
        facts={},
        others=(),
        weights=(),
        novelty=None,  # the final model's knows the images of the fold
    )
    return FoldModel(int(entry["repeat"]), int(entry["fold"]), model)


def _head(path: Path, entry: Mapping[str, Any]) -> FittedHead:
    from safetensors.numpy import load

    content = file_bytes(path)
    if hash_bytes(content) != entry["sha256"]:
        raise RunError(f"{path} is not the head that {HEADS_FILE} names")
    return FittedHead.from_tensors(HeadSpec.from_json(entry["head"]), load(content))
