"""Features that a network gives of the pictures of windows, one by one, with the engine that a stream is watched by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.data import ImageDataset
from headstart.data.preparation import learned, restore_preparation
from headstart.engines.capabilities import openvino_precisions
from headstart.engines.engine import Engine, engine_for
from headstart.engines.fallback import nearest_engine
from headstart.engines.network_cache import NetworkCache
from headstart.errors import BundleError, EngineError, InputError
from headstart.features.extractor import Extractor
from headstart.features.open import ExtractionSettings, open_extractor
from headstart.features.pipeline import stream_features
from headstart.model.feature_recipe import FeatureRecipe
from headstart.model.load import stored_backbone
from headstart.model.model import described_backbone
from headstart.model.window_features import WindowFeatures
from headstart.signals.recipe import SignalRecipe
from headstart.signals.source import DrawnWindows
from headstart.signals.standardise import centre_and_spread
from headstart.signals.training_scale import FittedTrainingScale
from headstart.storage import default_cache_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data.preparation import Preparation

_FEW: Final = 4
"""Windows that a network takes at once where it is not given one by one."""


@dataclass(frozen=True, eq=False)
class WindowNetwork(WindowFeatures):
    """Features of the pictures of windows.

    Attributes
    ----------
    recipe : SignalRecipe
        How windows are drawn.
    extractor : Extractor
        Its preparation knows the scale of the channels where they are standardised by the training windows.
    """

    recipe: SignalRecipe
    extractor: Extractor

    @property
    def learns(self) -> bool:
        """Whether channels are standardised by the windows of normal running."""
        return self.recipe.standardise == "training"

    def fitted(self, windows: NDArray[np.float32]) -> WindowNetwork:
        """See `WindowFeatures.fitted`: with the scale of these windows, where it is not that of each recording."""
        if not self.learns:
            return self
        own = self.extractor.preparation
        base: Preparation = own.base if isinstance(own, FittedTrainingScale) else own
        scale = centre_and_spread(windows.reshape(-1, windows.shape[2]).astype(np.float64))
        prepared = FittedTrainingScale(base, self.recipe, *scale)
        return replace(self, extractor=self.extractor.with_preparation(prepared))

    def of(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `WindowFeatures.of`."""
        names = [str(row) for row in range(len(windows))]
        dataset = ImageDataset.from_source(DrawnWindows(windows, self.recipe), names)
        found = [np.zeros((0, *self.extractor.row_shape), dtype=np.float32)]
        for batch in stream_features(dataset, self.extractor):
            for _, error in batch.failed:
                raise error
            found.append(batch.features)
        return np.concatenate(found)

    def to_json(self) -> dict[str, Any]:
        """See `WindowFeatures.to_json`."""
        preparation = self.extractor.preparation
        return {
            "backbone": described_backbone(self.extractor.backbone),
            "engine": self.extractor.engine.to_json(),
            "features": FeatureRecipe.of(self.extractor).to_json(),
            "preparation": preparation.settings(),
            "learned": {name: array.tolist() for name, array in learned(preparation).items()},
        }

    def tensors(self) -> Mapping[str, Any]:
        """Tensors of the network."""
        return self.extractor.backbone.state()


def open_window_network(recipe: SignalRecipe, settings: ExtractionSettings) -> WindowNetwork:
    """A network that looks at windows as a stream is watched: one by one, and no further than its features need.

    Raises
    ------
    InputError
        When a setting is unknown, or features are means over views, of which a window has none.
    WeightsError
        When weights are missing or do not fit.
    """
    plain = open_extractor(settings)
    if plain.averaged:
        raise InputError(
            f"--features {settings.features}: a window is looked at once, and these are means over views of it. Name "
            "blocks, such as multi or block4:rows."
        )
    return WindowNetwork(recipe, _ready(plain, live_engine(plain.engine)))


def restored_network(folder: Path, file: str, recipe: SignalRecipe, stored: Mapping[str, Any]) -> WindowNetwork:
    """The network of a detector.

    Raises
    ------
    HeadstartError, KeyError, TypeError, ValueError
        When it is damaged.
    """
    backbone = stored_backbone(folder, stored["backbone"], (file,), {})
    state = {str(name): np.array(values, dtype=np.float64) for name, values in stored["learned"].items()}
    features = FeatureRecipe.from_json(stored["features"])
    engine, _ = nearest_engine(Engine.from_json(stored["engine"]))
    extractor = Extractor(
        backbone,
        restore_preparation(stored["preparation"], state),
        engine,
        blocks=features.blocks,
        beside=features.beside,
    )
    found = WindowNetwork(recipe, _ready(extractor, engine))
    if found.learns and not isinstance(extractor.preparation, FittedTrainingScale):
        raise BundleError("the scale of the channels is missing")
    return found


def live_engine(engine: Engine) -> Engine:
    """Engine by which windows of a stream are looked at; probabilities agree with those of `engine` to 1e-4.

    A batch is filled up to its size, so one window would cost as much as the sixteen of a fit: on a CPU the network
    takes windows one by one, always, so that a score does not depend on what came with its window. OpenVINO costs a
    third of torch, and gives each of several windows a thread of its own; the threads of torch share out one window,
    and wait for one another.
    """
    if engine.device != "cpu" or engine.compiled:
        return replace(engine, batch_size=few_at_once(engine))
    if engine.precision == "int8":  # the quantised network is of its batch size
        return engine
    if engine.name == "torch" and engine.precision == "fp32" and "fp32" in openvino_precisions():
        return replace(engine_for("openvino", "fp32", device="cpu", n_threads=engine.n_threads), batch_size=1)
    return replace(engine, batch_size=1)


def few_at_once(engine: Engine) -> int:
    """Windows at once for an engine that does not take them one by one."""
    return min(_FEW, engine.batch_size)


def _ready(plain: Extractor, engine: Engine) -> Extractor:
    """The extractor with an engine that it is ready to run with, and no more of the network than its features need."""
    found = _trimmed(plain, engine)
    try:
        make_ready(found)
    except EngineError:  # OpenVINO cannot express every network
        found = _trimmed(plain, replace(plain.engine, batch_size=few_at_once(plain.engine)))
        make_ready(found)
    return found


def _trimmed(plain: Extractor, engine: Engine) -> Extractor:
    return Extractor(
        plain.backbone,
        plain.preparation,
        engine,
        blocks=plain.blocks,
        beside=plain.beside,
        is_trimmed=True,
        network_cache=NetworkCache(default_cache_folder()),
    )


def make_ready(extractor: Extractor) -> None:
    """Let the network see one picture: the first window of a stream does not wait until it is converted and loaded.

    Raises
    ------
    EngineError
        When the engine cannot run the network.
    """
    preparation = extractor.preparation
    extractor.compute(np.zeros((1, *preparation.size, preparation.n_channels), dtype=preparation.dtype))
