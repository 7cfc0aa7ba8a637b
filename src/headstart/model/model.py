"""The fitted bundle: everything needed to predict, saved without a pickle and checked byte by byte when loaded."""

from __future__ import annotations

import functools
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from headstart.augment import IDENTITY, View, view_from_json
from headstart.backbones.backbone import Backbone, restore_backbone
from headstart.backbones.build import triple
from headstart.backbones.weights import WeightsSource
from headstart.data import ImageDataset, Preparation
from headstart.decisions import AS_THEY_ARE, Decided, Decisions
from headstart.engines.engine import Engine, resolve_device
from headstart.engines.fallback import nearest_engine, on_device
from headstart.engines.network_cache import NetworkCache
from headstart.errors import BundleError, HeadstartError, InputError
from headstart.features.extractor import Extractor
from headstart.features.pipeline import stream_views
from headstart.finetuning import UnlockedNetwork, features_of
from headstart.heads import FittedHead, HeadSpec
from headstart.progress import Progress, Silent
from headstart.runtime.precision import full_precision
from headstart.runtime.threads import torch_threads
from headstart.storage import (
    default_cache_folder,
    hash_bytes,
    hash_file,
    hash_json,
    json_bytes,
    replacing,
    write_bytes,
    write_json,
)
from headstart.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from headstart.errors import ImageError

    _Predicted = tuple[list[int], NDArray[np.float64], list[tuple[int, ImageError]]]

BUNDLE_FORMAT = 4
_MARK_LENGTH = 16
_MANIFEST = "manifest.json"
_DESCRIPTION = "model.json"
_BACKBONE = "backbone.safetensors"
_HEAD = "head.safetensors"
_NETWORK = "network.safetensors"
_CONTENT = (_DESCRIPTION, _BACKBONE, _HEAD)
_MISSHAPEN = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image.

    Attributes
    ----------
    image : str
        Name in the data set.
    probabilities : tuple of float
        One per class, calibrated; empty when the image could not be read.
    predicted : str or None
        Class called: by the operating point, or the most probable; None when the image could not be read.
    error : str or None
        Why the image could not be read.
    members : tuple of str, or None
        The prediction set, perhaps empty; None where the model makes none or the image could not be read.
    """

    image: str
    probabilities: tuple[float, ...] = ()
    predicted: str | None = None
    error: str | None = None
    members: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Unlocked:
    """How the last stages of a model were trained.

    Attributes
    ----------
    stage : str or None
        The last stage that stayed as it was; None: every stage was trained.
    settings : dict
        Of `headstart.finetuning.FineTuneSpec`.
    epochs : int
        That were trained.
    """

    stage: str | None
    settings: Mapping[str, Any]
    epochs: int

    def to_json(self) -> dict[str, Any]:
        """The attributes by name."""
        return {"stage": self.stage, "settings": dict(self.settings), "epochs": self.epochs}


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted classifier of images.

    Attributes
    ----------
    backbone : Backbone
    preparation : Preparation
    engine : Engine
        The one the features were computed with, used again here.
    head : FittedHead
    classes : tuple of str
    facts : dict
        Where the model comes from: fingerprint and size of its data, short hashes of its images, its honest scores,
        versions.
    network : bytes or None
        The quantised network of an int8 engine.
    views : tuple of View
        Views that a prediction is the mean over; empty: the image alone.
    decisions : Decisions
        Calibration, operating point and prediction sets; applied to what the head says.
    unlocked : Unlocked or None
        Where stages were fine-tuned: the engine computes what stayed frozen, torch in fp32 the rest.
    notes : tuple of str
        Why the engine is not the one that the model was made with; told before anything is predicted.
    """

    backbone: Backbone
    preparation: Preparation
    engine: Engine
    head: FittedHead
    classes: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    network: bytes | None = None
    views: tuple[View, ...] = ()
    decisions: Decisions = AS_THEY_ARE
    unlocked: Unlocked | None = None
    notes: tuple[str, ...] = ()

    @functools.cached_property
    def extractor(self) -> Extractor:
        """What computes the features; its network is made ready once, when the first image comes."""
        store = NetworkCache(default_cache_folder())
        stage = None if self.unlocked is None else self.unlocked.stage
        return Extractor(self.backbone, self.preparation, self.engine, stage=stage, network=self.network, store=store)

    @functools.cached_property
    def _finish(self) -> UnlockedNetwork | None:
        """What was trained, where that is not all of the network; the extractor gives the maps it reads."""
        if self.unlocked is None or self.unlocked.stage is None:
            return None
        device = torch.device(self.engine.device)
        return UnlockedNetwork(self.backbone, self.unlocked.stage, self.head, adapt_norms=False, device=device).eval()

    def _features(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        """Features from what the extractor gave."""
        if self._finish is None:
            return rows
        if len(rows) == 0:  # no image of a batch could be read
            return np.zeros((0, self.backbone.feature_width), dtype=np.float32)
        with torch_threads(self.engine.n_threads), full_precision():
            return features_of(self._finish, rows, device=torch.device(self.engine.device))

    def predict_each(self, dataset: ImageDataset, *, progress: Progress | None = None) -> Iterator[Prediction]:
        """Predictions in row order; an image that cannot be read gets a row with the reason and stops nothing.

        Parameters
        ----------
        dataset : ImageDataset
            Labels, if any, are not looked at.
        progress : Progress, optional
        """
        self._tell(progress)
        extractor = self.extractor
        with (progress or Silent()).task("Predicting", len(dataset), "images") as advance:
            for rows, probabilities, failed in self._head_probabilities(dataset, extractor):
                found: dict[int, Prediction] = {
                    row: Prediction(dataset.names[row], error=error.reason) for row, error in failed
                }
                decided = self.decisions.apply(probabilities)
                for place, row in enumerate(rows):
                    found[row] = self._prediction(dataset.names[row], decided, place)
                yield from (found[row] for row in sorted(found))
                advance(len(found))

    def _prediction(self, name: str, decided: Decided, place: int) -> Prediction:
        predicted = self.classes[int(decided.predicted[place])]
        sets = decided.sets
        members = None if sets is None else tuple(self.classes[code] for code in np.flatnonzero(sets[place]).tolist())
        return Prediction(name, tuple(decided.probabilities[place].tolist()), predicted, members=members)

    def _head_probabilities(self, dataset: ImageDataset, extractor: Extractor) -> Iterator[_Predicted]:
        """Rows with what the head says of them, the mean over the views where there are any, and rows that failed."""
        wanted = ((row, self.views or (IDENTITY,)) for row in range(len(dataset)))
        n_views = max(len(self.views), 1)
        rows: list[int] = []
        parts: list[NDArray[np.float64]] = []  # of images whose views have not all come yet
        for batch in stream_views(dataset, extractor, wanted):
            rows += batch.rows
            parts.append(self.head.predict_proba(self._features(batch.features)))
            n_whole = len(rows) // n_views
            of_views = np.concatenate(parts)[: n_whole * n_views].reshape(n_whole, n_views, len(self.classes))
            parts = [np.concatenate(parts)[n_whole * n_views :]]
            yield rows[: n_whole * n_views : n_views], of_views.mean(axis=1), batch.failed
            rows = rows[n_whole * n_views :]

    def predict_proba(self, images: ImageDataset | Sequence[str | os.PathLike[str]] | NDArray[Any]) -> NDArray[Any]:
        """Probability of every class for every image.

        Parameters
        ----------
        images : ImageDataset, sequence of paths, or ndarray of shape (n_images, height, width[, channels])
            Arrays are uint8 or uint16.

        Returns
        -------
        ndarray of shape (n_images, n_classes), float64
            Columns in the order of `classes`.

        Raises
        ------
        ImageError
            The first image that cannot be read; `predict_each` goes on instead.
        """
        rows = [prediction.probabilities for prediction in self._readable(images)]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self.classes))

    def predict(self, images: ImageDataset | Sequence[str | os.PathLike[str]] | NDArray[Any]) -> NDArray[np.str_]:
        """Class called for every image, shape (n_images,): by the operating point, or the most probable.

        Arguments and errors as for `predict_proba`.
        """
        return np.array([prediction.predicted for prediction in self._readable(images)], dtype=np.str_)

    def predict_sets(self, images: ImageDataset | Sequence[str | os.PathLike[str]] | NDArray[Any]) -> NDArray[np.bool_]:
        """Whether each class is in the prediction set of each image, shape (n_images, n_classes).

        Arguments and errors as for `predict_proba`.

        Raises
        ------
        InputError
            When the model makes no sets.
        """
        if self.decisions.conformal is None:
            raise InputError("The model makes no prediction sets. Fit it with --conformal 0.9, say.")
        rows = [[name in (found.members or ()) for name in self.classes] for found in self._readable(images)]
        return np.array(rows, dtype=bool).reshape(len(rows), len(self.classes))

    def _readable(self, images: ImageDataset | Sequence[str | os.PathLike[str]] | NDArray[Any]) -> Iterator[Prediction]:
        """Predictions in row order, up to the first image that cannot be read: ImageError."""
        from headstart.errors import ImageError

        for prediction in self.predict_each(as_dataset(images)):
            if prediction.error is not None:
                raise ImageError(prediction.image, prediction.error)
            yield prediction

    def save(self, folder: Path) -> None:
        """Write the bundle; the manifest is written last, so a half-written bundle is never taken for a whole one.

        Raises
        ------
        StorageError
            When the disk refuses.
        """
        from safetensors.numpy import save as save_numpy
        from safetensors.torch import save as save_torch

        write_json(folder / _DESCRIPTION, self._description())
        for name, content in (
            (_BACKBONE, save_torch(self.backbone.state())),
            (_HEAD, save_numpy(self.head.to_tensors())),
        ):
            with replacing(folder / name) as handle:
                handle.write(content)
        names: tuple[str, ...] = _CONTENT
        if self.network is not None:
            write_bytes(folder / _NETWORK, self.network)
            names = (*_CONTENT, _NETWORK)
        hashes = {name: hash_file(folder / name) for name in names}
        manifest = {"format": BUNDLE_FORMAT, "headstart": __version__, "files": hashes}
        write_json(folder / _MANIFEST, {**manifest, "sha256": hash_json(manifest)})

    def _tell(self, progress: Progress | None) -> None:
        """Say what is not as it was when the model was made; as warnings where nobody listens to the progress."""
        for note in self.notes:
            if progress is None:
                warnings.warn(note, stacklevel=4)
            else:
                progress.note(note)

    def _description(self) -> dict[str, Any]:
        return {
            "backbone": {
                "name": self.backbone.name,
                "weights": self.backbone.weights.to_json(),
                "normalisation": {"mean": list(self.backbone.mean), "std": list(self.backbone.std)},
                "hub_config": self.backbone.hub_config,
            },
            "classes": list(self.classes),
            "decisions": self.decisions.to_json(),
            "engine": self.engine.to_json(),
            "facts": self.facts,
            "head": self.head.spec.to_json(),
            "holds_training_features": self.head.holds_training_features,
            "preparation": self.preparation.settings(),
            "unlocked": None if self.unlocked is None else self.unlocked.to_json(),
            "views": [view.to_json() for view in self.views],
        }


def as_dataset(images: ImageDataset | Sequence[str | os.PathLike[str]] | NDArray[Any]) -> ImageDataset:
    """Data set, paths or array of images as a data set."""
    if isinstance(images, ImageDataset):
        return images
    if isinstance(images, np.ndarray) and images.ndim > 1:
        return ImageDataset.from_arrays(images)
    return ImageDataset.from_files([os.fspath(path) for path in images])


def image_marks(dataset: ImageDataset) -> list[str]:
    """Short hash of every image's content, in row order, by which a bundle knows its training images again."""
    return [dataset.content_hash(row)[:_MARK_LENGTH] for row in range(len(dataset))]


def load_model(path: str | os.PathLike[str], *, device: str | None = None) -> Model:
    """Load a bundle.

    Parameters
    ----------
    path : path
        A bundle, or the run folder that holds one.
    device : {"auto", "cpu", "cuda", "mps"}, optional
        Default: the device the model was made on, or the CPU where that is missing. Where this machine lacks the
        engine that the model was made with, plain fp32 with torch takes its place, which is said: on another device
        or in fp32 instead of fp32 probabilities agree to 1e-4, otherwise to what the precision costs.

    Returns
    -------
    Model

    Raises
    ------
    BundleError
        When a file is missing or changed, or the bundle is from a newer version; said with the file's name.
    """
    from safetensors import SafetensorError

    folder = Path(path)
    if not (folder / _MANIFEST).is_file() and (folder / "model" / _MANIFEST).is_file():
        folder = folder / "model"
    _check_manifest(folder)
    description = _read_json(folder / _DESCRIPTION)
    try:
        model = _restore(folder, description)
    except (*_MISSHAPEN, OSError, SafetensorError, HeadstartError) as error:
        raise BundleError(f"{folder / _DESCRIPTION}: cannot be understood ({error}). Fit the model again.") from error
    wanted = model.engine if device is None else on_device(model.engine, resolve_device(device))
    engine, note = nearest_engine(wanted)
    return replace(model, engine=engine, notes=(note,) if note else ())


def _restore(folder: Path, description: Mapping[str, Any]) -> Model:
    from safetensors.numpy import load_file as load_numpy
    from safetensors.torch import load_file as load_torch

    stored = description["backbone"]
    backbone = restore_backbone(
        stored["name"],
        load_torch(folder / _BACKBONE),
        WeightsSource(**stored["weights"]),
        source=str(folder / _BACKBONE),
        hub_config=stored["hub_config"],
    )
    normalisation = stored["normalisation"]
    backbone = replace(backbone, mean=triple(normalisation["mean"]), std=triple(normalisation["std"]))
    head = FittedHead.from_tensors(HeadSpec.from_json(description["head"]), load_numpy(folder / _HEAD))
    classes = tuple(str(name) for name in description["classes"])
    if (head.n_features, head.n_classes) != (backbone.feature_width, len(classes)):
        raise BundleError(
            f"the head takes {head.n_features} features for {head.n_classes} classes, but the backbone gives "
            f"{backbone.feature_width} and {len(classes)} are named"
        )
    engine = Engine.from_json(description["engine"])
    network = (folder / _NETWORK).read_bytes() if engine.network_sha256 else None
    if network is not None and hash_bytes(network) != engine.network_sha256:
        raise BundleError(f"{folder / _NETWORK} is not the network that the engine names")
    return Model(
        backbone=backbone,
        preparation=Preparation.from_settings(description["preparation"]),
        engine=engine,
        head=head,
        classes=classes,
        facts=dict(description["facts"]),
        network=network,
        views=tuple(view_from_json(view) for view in description.get("views", ())),
        decisions=_stored_decisions(description, len(classes)),
        unlocked=_stored_unlocked(description, backbone),
    )


def _stored_unlocked(description: Mapping[str, Any], backbone: Backbone) -> Unlocked | None:
    """That of the bundle; bundles older than format 4 have none."""
    stored = description.get("unlocked")
    if stored is None:
        return None
    stage = None if stored["stage"] is None else str(stored["stage"])
    if stage is not None:
        backbone.staged.index(stage)  # refuses a stage that is not there
    return Unlocked(stage, dict(stored["settings"]), int(stored["epochs"]))


def _stored_decisions(description: Mapping[str, Any], n_classes: int) -> Decisions:
    """Those of the bundle; bundles older than format 3 have none."""
    stored = description.get("decisions")
    return AS_THEY_ARE if stored is None else Decisions.from_json(stored, n_classes)


def _check_manifest(folder: Path) -> None:
    """Every file is there and has the bytes that were written, and the format is one this version knows."""
    if not (folder / _MANIFEST).is_file():
        raise BundleError(f"{folder} holds no model ({_MANIFEST} is missing). Give RUN/model of a finished run.")
    manifest = _read_json(folder / _MANIFEST)
    if type(manifest.get("format")) is int and manifest["format"] > BUNDLE_FORMAT:
        raise BundleError(
            f"{folder / _MANIFEST}: made by headstart {manifest.get('headstart')}, whose bundles (format "
            f"{manifest['format']}) are newer than this version ({__version__}, format {BUNDLE_FORMAT}) reads. "
            "Install a newer headstart."
        )
    if not _is_as_written(folder / _MANIFEST, manifest):
        raise BundleError(f"{folder / _MANIFEST}: the file was changed. Fit the model again or take a whole copy.")
    for name in manifest["files"]:
        path = folder / name
        if not path.is_file():
            raise BundleError(f"{path}: the file is missing. Fit the model again or take a whole copy.")
        if hash_file(path) != manifest["files"][name]:
            raise BundleError(f"{path}: the content was changed or damaged. Fit the model again or take a whole copy.")


def _is_as_written(path: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest carries its own hash, names the right files and has the bytes that `Model.save` writes."""
    signed = {name: value for name, value in manifest.items() if name != "sha256"}
    try:
        whole = path.read_bytes() == json_bytes(manifest) and manifest.get("sha256") == hash_json(signed)
    except (ValueError, RecursionError):  # NaN, a lone surrogate, nesting without end
        return False
    files, known = manifest.get("files"), type(manifest.get("format")) is int
    return whole and known and isinstance(files, dict) and set(files) - {_NETWORK} == set(_CONTENT)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path}: cannot be read ({error}). Fit the model again or take a whole copy.") from error
    if not isinstance(content, dict):
        raise BundleError(f"{path}: is not an object. Fit the model again or take a whole copy.")
    return content
