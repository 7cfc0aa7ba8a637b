"""Loading a bundle: its files checked, the network rebuilt, an engine that this machine has."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from headstart.augment import view_from_json
from headstart.backbones.backbone import Backbone, restore_backbone
from headstart.backbones.no_network import no_network
from headstart.backbones.weights import WeightsSource
from headstart.backbones.weights.provenance import is_absent
from headstart.data.preparation import Preparation, restore_preparation
from headstart.data.table.encoding import TableEncoding
from headstart.decisions import AS_THEY_ARE, Decisions
from headstart.engines.engine import Engine, resolve_device
from headstart.engines.fallback import nearest_engine, on_device
from headstart.errors import BundleError, HeadstartError
from headstart.features.extractor import Extractor
from headstart.heads import FittedHead, HeadSpec
from headstart.model.batch_of_one import BatchOfOne
from headstart.model.bundle import (
    BACKBONE,
    DESCRIPTION,
    HEAD,
    MEMBER_PREFIX,
    NETWORK,
    NOVELTY,
    PREPARATION,
    check_manifest,
    find_bundle,
    read_json,
)
from headstart.model.feature_recipe import LAST_STAGE, FeatureRecipe
from headstart.model.model import Model, Unlocked
from headstart.model.novelty import NoveltyDetector
from headstart.storage import file_bytes, hash_bytes

_OWN_FILES: Final = {"head": HEAD, "backbone": (BACKBONE,), "network": NETWORK, "preparation": PREPARATION}
_MISSHAPEN: Final = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)


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

    folder = find_bundle(Path(path))
    check_manifest(folder)
    description = read_json(folder / DESCRIPTION)
    try:
        model = _restore(folder, description)
    except (*_MISSHAPEN, OSError, SafetensorError, HeadstartError) as error:
        raise BundleError(f"{folder / DESCRIPTION}: cannot be understood ({error}). Fit the model again.") from error
    requested = model.engine if device is None else on_device(model.engine, resolve_device(device))
    engine, note = nearest_engine(requested)
    return replace(model, engine=engine, notes=(note,) if note else (), others=_nearest(model.others, device))


def _nearest(others: tuple[Model, ...], device: str | None) -> tuple[Model, ...]:
    """The further members of an ensemble with the engines that this machine has for them."""
    requested = [one.engine if device is None else on_device(one.engine, resolve_device(device)) for one in others]
    return tuple(replace(one, engine=nearest_engine(engine)[0]) for one, engine in zip(others, requested, strict=True))


def _restore(folder: Path, description: Mapping[str, Any]) -> Model:
    """The model with everything that its description and the files beside it hold."""
    stored = description.get("ensemble")
    n_members = 0 if stored is None else len(stored["members"])
    backbones: dict[tuple[str, ...], Backbone] = {}
    model = _restore_head(folder, description, description, _OWN_FILES, backbones)
    others = tuple(_restore_member(folder, description, number, backbones) for number in range(n_members))
    weights = () if stored is None else tuple(float(weight) for weight in stored["weights"])
    if others and len(weights) != len(others) + 1:
        raise BundleError(f"{len(others) + 1} members of an ensemble have {len(weights)} weights")
    model = replace(
        model,
        facts=dict(description["facts"]),
        decisions=_stored_decisions(description, len(model.classes)),
        table=_stored_table(description),
        batch_of_one=_stored_batch_of_one(description),
    )
    return replace(model, others=others, weights=weights) if others else model


def _restore_member(
    folder: Path, description: Mapping[str, Any], number: int, backbones: dict[tuple[str, ...], Backbone]
) -> Model:
    """One further member of an ensemble, counted from 0.

    Raises
    ------
    BundleError
        Naming its file, when it cannot be restored.
    """
    from safetensors import SafetensorError

    stored = description["ensemble"]["members"][number]
    try:
        files = {**_OWN_FILES, **stored["files"]}
        for name in (files["head"], *files["backbone"], files["network"], files["preparation"]):
            if name is not None and Path(name).name != name:
                raise BundleError(f"{name} is no file of the bundle")
        return _restore_head(folder, description, stored, files, backbones)
    except (*_MISSHAPEN, OSError, SafetensorError, HeadstartError) as error:
        name = f"{MEMBER_PREFIX}{number + 1}.head.safetensors"
        raise BundleError(
            f"member {number + 2} of the ensemble, whose head is {folder / name}, cannot be restored: {error}"
        ) from error


def _restore_head(
    folder: Path,
    whole: Mapping[str, Any],
    description: Mapping[str, Any],
    files: Mapping[str, Any],
    backbones: dict[tuple[str, ...], Backbone],
) -> Model:
    """One head with all that gives its features.

    Parameters
    ----------
    folder : Path
    whole : mapping
        Description of the model: its classes and table columns are those of every member.
    description : mapping
        Description of the head.
    files : mapping
        Names of its files, as `headstart.model.members.StoredMembers` has them.
    backbones : dict
        Backbones that were restored, by their files; members share them.
    """
    from safetensors.numpy import load_file as load_numpy

    backbone = stored_backbone(folder, description["backbone"], tuple(files["backbone"]), backbones)
    head = FittedHead.from_tensors(HeadSpec.from_json(description["head"]), load_numpy(folder / files["head"]))
    classes, table = tuple(str(name) for name in whole["classes"]), _stored_table(whole)
    preparation = _stored_preparation(folder, description, files["preparation"])
    features, engine = _stored_features(description), Engine.from_json(description["engine"])
    n_alone = _n_features(backbone, preparation, engine, features)
    n_features = n_alone + (0 if table is None else len(table.outputs))
    if (head.n_features, head.n_classes) != (n_features, len(classes)):
        beside = "" if table is None else " with its table columns"
        raise BundleError(
            f"the head takes {head.n_features} features for {head.n_classes} classes, but the backbone{beside} gives "
            f"{n_features} and {len(classes)} are named"
        )
    return Model(
        backbone=backbone,
        preparation=preparation,
        engine=engine,
        head=head,
        classes=classes,
        network=_stored_network(folder, engine, files["network"]),
        views=tuple(view_from_json(view) for view in description.get("views", ())),
        unlocked=_stored_unlocked(description, backbone),
        features=features,
        novelty=_stored_novelty(folder, description, n_alone),
    )


def stored_backbone(
    folder: Path, stored: Mapping[str, Any], files: tuple[str, ...], backbones: dict[tuple[str, ...], Backbone]
) -> Backbone:
    """Backbone of some files of tensors, a later one's before those of an earlier one; each is restored once."""
    from safetensors.torch import load_file as load_torch

    normalisation = stored["normalisation"]
    mean, std = (tuple(float(value) for value in normalisation[name]) for name in ("mean", "std"))
    if len(mean) != len(std):
        raise BundleError(f"the normalisation names {len(mean)} means and {len(std)} deviations")
    if is_absent(stored["weights"]["source"]):
        return replace(no_network(len(mean)), mean=mean, std=std)
    if files not in backbones:
        tensors = {name: tensor for file in files for name, tensor in load_torch(folder / file).items()}
        backbones[files] = restore_backbone(
            stored["name"],
            tensors,
            WeightsSource(**stored["weights"]),
            source=str(folder / files[-1]),
            hub_config=stored["hub_config"],
            n_channels=len(mean),
        )
    return replace(backbones[files], mean=mean, std=std)


def _stored_network(folder: Path, engine: Engine, name: str) -> bytes | None:
    """The quantised network of an int8 engine."""
    network = file_bytes(folder / name) if engine.network_sha256 else None
    if network is not None and hash_bytes(network) != engine.network_sha256:
        raise BundleError(f"{folder / name} is not the network that the engine names")
    return network


def _stored_features(description: Mapping[str, Any]) -> FeatureRecipe:
    """Features that the head takes; bundles of the pooled last stage, and older ones, say nothing of it."""
    stored = description.get("features")
    return LAST_STAGE if stored is None else FeatureRecipe.from_json(stored)


def _n_features(backbone: Backbone, preparation: Preparation, engine: Engine, features: FeatureRecipe) -> int:
    """Number of features that the network gives.

    Raises
    ------
    InputError
        When it has no such stage, or a pooling does not fit.
    """
    found = Extractor(backbone, preparation, engine, blocks=features.blocks, beside=features.beside)
    return found.row_shape[0]


def _stored_novelty(folder: Path, description: Mapping[str, Any], n_features: int) -> NoveltyDetector | None:
    """How images unlike the training images are told; None for bundles that do not tell."""
    from safetensors.numpy import load_file

    stored = description.get("novelty")
    if stored is None:
        return None
    found = NoveltyDetector.from_stored(stored, load_file(folder / NOVELTY))
    if found.distance.n_features != n_features:
        raise BundleError(f"distances are of {found.distance.n_features} features, but the backbone gives {n_features}")
    return found


def _stored_table(description: Mapping[str, Any]) -> TableEncoding | None:
    """How table columns become numbers; bundles of pictures alone, and older ones, have nothing of it."""
    stored = description.get("table")
    return None if stored is None else TableEncoding.from_json(stored)


def _stored_preparation(folder: Path, description: Mapping[str, Any], name: str | None) -> Preparation:
    """Preparation of the images, with what it learned where it is a fitted one."""
    from safetensors.numpy import load_file

    is_there = name is not None and (folder / name).is_file()
    return restore_preparation(description["preparation"], load_file(folder / str(name)) if is_there else {})


def _stored_unlocked(description: Mapping[str, Any], backbone: Backbone) -> Unlocked | None:
    """How the last stages were trained, as the bundle says; bundles older than format 4 have none."""
    stored = description.get("unlocked")
    if stored is None:
        return None
    stage = None if stored["stage"] is None else str(stored["stage"])
    if stage is not None:
        backbone.staged.index(stage)  # refuses a stage that is not there
    return Unlocked(stage, dict(stored["settings"]), int(stored["epochs"]))


def _stored_batch_of_one(description: Mapping[str, Any]) -> BatchOfOne | None:
    """How far single pictures are from whole batches; None for bundles that always fill their batches."""
    stored = description.get("batch_of_one")
    return None if stored is None else BatchOfOne.from_json(stored)


def _stored_decisions(description: Mapping[str, Any], n_classes: int) -> Decisions:
    """Decisions that the bundle holds; bundles older than format 3 have none."""
    stored = description.get("decisions")
    return AS_THEY_ARE if stored is None else Decisions.from_json(stored, n_classes)
