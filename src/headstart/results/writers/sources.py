"""Where features come from, as parts of a document: weights, engine, network and preparation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headstart.results.models.sources import (
    BackboneFacts,
    EngineRecord,
    EngineSettings,
    Normalisation,
    PreparationSettings,
    SourceFacts,
    TrainedAt,
    Weights,
)
from headstart.results.upgrade import upgrade_engine_record, upgrade_weights

if TYPE_CHECKING:
    from headstart.backbones.weights import WeightsSource
    from headstart.engines.engine import Engine
    from headstart.features.extractor import Extractor


def weights_facts(source: WeightsSource) -> Weights:
    """Where weights came from."""
    return Weights.model_validate(upgrade_weights(source.to_json()))


def engine_settings(engine: Engine) -> EngineSettings:
    """What ran the network."""
    return EngineSettings(**engine.to_json())


def engine_record(record: Mapping[str, Any], engine: Engine) -> EngineRecord:
    """How an engine was chosen; of a run that did not record it, the engine alone."""
    if not record:
        unknown = {"engine": "auto", "precision": "auto"}
        record = {
            "asked": unknown,
            "used": engine.to_json(),
            "label": engine.label,
            "reason": "not recorded",
            "parity": None,
            "tried": [],
            "notes": [],
        }
    return EngineRecord.model_validate(upgrade_engine_record(record))


def preparation_settings(extractor: Extractor) -> PreparationSettings:
    """What turned images into the input of the network."""
    return PreparationSettings(**extractor.preparation.settings())


def backbone_facts(extractor: Extractor) -> BackboneFacts:
    """The network of an extractor, and what it takes."""
    backbone = extractor.backbone
    return BackboneFacts(
        name=backbone.name,
        weights=weights_facts(backbone.weights),
        stage=backbone.stage,
        feature_width=backbone.feature_width,
        preparation=preparation_settings(extractor),
        normalisation=Normalisation(mean=tuple(backbone.mean), std=tuple(backbone.std)),
        trained_at=TrainedAt(input_size=backbone.input_size, crop_fraction=backbone.crop_fraction),
        engine=engine_settings(extractor.engine),
    )


def source_facts(
    extractor: Extractor, record: Mapping[str, Any], *, label: str, number: int, times_chosen: int
) -> SourceFacts:
    """One source of features: how its engine was chosen, and in how many outer folds one of its candidates was."""
    backbone = extractor.backbone
    return SourceFacts(
        label=label,
        number=number,
        backbone=backbone.name,
        weights=weights_facts(backbone.weights),
        stage=backbone.stage,
        preparation=preparation_settings(extractor),
        engine=engine_settings(extractor.engine),
        feature_width=backbone.feature_width,
        engine_record=engine_record(record, extractor.engine),
        times_chosen=times_chosen,
    )
