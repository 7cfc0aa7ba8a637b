"""Sources of features as parts of a document: weights, engine, network and preparation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from headstart.backbones.feature_block import ARRAY, JOIN, LAST, default_features
from headstart.data.channel_normalisation import FittedChannelNormalisation
from headstart.errors import WeightsError
from headstart.results.damage import first_problem
from headstart.results.models.base import Part
from headstart.results.models.pretraining import PretrainingFacts
from headstart.results.models.sources import (
    BackboneFacts,
    BlockFacts,
    EngineRecord,
    EngineSettings,
    FeatureFacts,
    Normalisation,
    PreparationSettings,
    SourceFacts,
    TrainedAt,
    TrainingNormalisation,
    Weights,
)
from headstart.results.upgrade import upgrade_engine_record, upgrade_pretraining, upgrade_weights

if TYPE_CHECKING:
    from headstart.backbones.weights import WeightsSource
    from headstart.engines.engine import Engine
    from headstart.features.extractor import Extractor


P = TypeVar("P", bound=Part)


def weights_facts(source: WeightsSource) -> Weights:
    """Source of weights, as a part of a document.

    Raises
    ------
    WeightsError
        When what their file says of its pretraining is damaged; the message names the field.
    """
    content = upgrade_weights(source.to_json())
    return _checked(Weights, content, source.file)


def pretraining_facts(header: Mapping[str, Any], file: str | Path) -> PretrainingFacts:
    """Description of the pretraining in a file of weights, typed.

    Raises
    ------
    WeightsError
        When it is damaged; the message names the field.
    """
    return _checked(PretrainingFacts, upgrade_pretraining(header), file)


def _checked(model: type[P], content: dict[str, Any], file: str | Path) -> P:
    try:
        return model.model_validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        reason = first_problem(error, content)
        raise WeightsError(
            f"{file}: what it says of its pretraining is damaged ({reason}). Run `headstart pretrain` again."
        ) from error


def engine_settings(engine: Engine) -> EngineSettings:
    """Library, device and precision that ran the network."""
    return EngineSettings(**engine.to_json())


def engine_record(record: Mapping[str, Any], engine: Engine) -> EngineRecord:
    """How an engine was chosen; of a run that did not record it, the engine alone."""
    if not record:
        unknown = {"engine": "auto", "precision": "auto"}
        record = {
            "requested": unknown,
            "used": engine.to_json(),
            "label": engine.label,
            "reason": "not recorded",
            "parity": None,
            "tried": [],
            "notes": [],
        }
    return EngineRecord.model_validate(upgrade_engine_record(record))


def preparation_settings(extractor: Extractor) -> PreparationSettings:
    """Preparation of the images for the network."""
    known = PreparationSettings.model_fields
    settings = {name: it for name, it in extractor.preparation.settings().items() if name in known}
    if "clean_up" in settings:
        settings["clean_up"] = JOIN.join(settings["clean_up"]["steps"])
    return PreparationSettings(**settings)


def training_normalisation(extractor: Extractor) -> TrainingNormalisation | None:
    """Mean and spread of the training images that channels are normalised by; None where the weights' own are used."""
    found = extractor.preparation
    if not isinstance(found, FittedChannelNormalisation):
        return None
    mean, std = (tuple((values / 255).tolist()) for values in (found.mean, found.spread))
    return TrainingNormalisation(mean=mean, std=std, n_images=found.n_images)


def feature_facts(extractor: Extractor, requested: str | None) -> FeatureFacts | None:
    """Features of an extractor, the default ones where none were requested; None for the last stage alone.

    Where no network takes part there are no blocks.
    """
    if extractor.backbone.is_absent:
        return FeatureFacts(requested=requested or ARRAY, blocks=(), n_views=1)
    if extractor.blocks == (LAST,) and not extractor.averaged:
        return None
    widths = zip(extractor.blocks, extractor.block_widths, strict=True)
    return FeatureFacts(
        requested=requested or default_features(extractor.backbone.name),
        blocks=tuple(BlockFacts(name=block.name, n_features=width) for block, width in widths),
        n_views=max(len(extractor.averaged), 1),
    )


def _stage(extractor: Extractor) -> str:
    """Stage that the features come from, or their blocks."""
    blocks = extractor.blocks
    return extractor.backbone.stage if blocks == (LAST,) else JOIN.join(block.name for block in blocks)


def backbone_facts(extractor: Extractor, requested: str | None) -> BackboneFacts:
    """The network of an extractor, what it takes, and the features that were requested of it."""
    backbone = extractor.backbone
    return BackboneFacts(
        name=backbone.name,
        weights=weights_facts(backbone.weights),
        stage=_stage(extractor),
        feature_width=extractor.row_shape[0],
        features=feature_facts(extractor, requested),
        preparation=preparation_settings(extractor),
        normalisation=Normalisation(mean=tuple(backbone.mean), std=tuple(backbone.std)),
        training_normalisation=training_normalisation(extractor),
        trained_at=TrainedAt(input_size=backbone.input_size, crop_fraction=backbone.crop_fraction),
        engine=engine_settings(extractor.engine),
    )


def source_facts(
    extractor: Extractor,
    record: Mapping[str, Any],
    *,
    label: str,
    number: int,
    times_chosen: int,
    requested: str | None = None,
) -> SourceFacts:
    """One source of features: how its engine was chosen, and in how many outer folds one of its candidates was."""
    backbone = extractor.backbone
    return SourceFacts(
        label=label,
        number=number,
        backbone=backbone.name,
        weights=weights_facts(backbone.weights),
        stage=_stage(extractor),
        preparation=preparation_settings(extractor),
        engine=engine_settings(extractor.engine),
        feature_width=extractor.row_shape[0],
        features=feature_facts(extractor, requested),
        engine_record=engine_record(record, extractor.engine),
        times_chosen=times_chosen,
    )
