"""A classifier of windows that judges a stream: the probability that a window is not normal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.data import ImageDataset
from headstart.data.table.column import TableColumn
from headstart.decisions.alarm_rate import AlarmRate
from headstart.errors import BundleError, DataError, EngineError
from headstart.model.bundle import MANIFEST, check_manifest, find_bundle, read_json
from headstart.model.load import load_model
from headstart.model.model import Model, Prediction
from headstart.model.watcher import Judged, beyond_threshold
from headstart.model.window_evidence import CoveredWindow, WindowQuestions
from headstart.model.window_network import few_at_once, live_engine, make_ready
from headstart.signals.baselines import RAW_STATISTICS
from headstart.signals.recipe import RECIPE_FILE, SignalRecipe
from headstart.signals.recording import NORMAL
from headstart.signals.source import DrawnWindows
from headstart.signals.statistics import statistic_names, statistics
from headstart.signals.training_scale import FittedTrainingScale
from headstart.storage import hash_file, hash_json

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class BundleWatcher:
    """Windows judged by a classifier.

    Attributes
    ----------
    model : Model
    recipe : SignalRecipe
    sizes : tuple of float
        Typical size of every channel as measured.
    identity : str
    rate : AlarmRate or None
        From the probabilities that the normal windows of the run were given out of fold; None gives no p. Where it
        promises nothing, an alarm is a window that is not predicted normal.
    """

    model: Model
    recipe: SignalRecipe
    sizes: Sequence[float]
    identity: str
    rate: AlarmRate | None = None

    @property
    def sentence(self) -> str:
        """See `Watcher.sentence`."""
        if self._kept is None:
            return f"No rate of alarms is promised; an alarm is a window that is not predicted {NORMAL}."
        return self._kept.sentence

    @property
    def threshold(self) -> float:
        """See `Watcher.threshold`; a half where windows are judged by the class that is predicted."""
        return 0.5 if self._kept is None else self._kept.threshold

    @property
    def score_label(self) -> str:
        """See `Watcher.score_label`."""
        return "probability of an anomaly"

    def judge(self, windows: NDArray[np.float32], measured: NDArray[np.float64]) -> Judged:
        """See `Watcher.judge`."""
        found = self._predicted(windows, measured)
        scores = self._scores(found)
        not_normal = np.array([one.predicted != NORMAL for one in found], dtype=bool)
        return Judged(
            scores=scores,
            probabilities=scores,
            p_values=None if self.rate is None else self.rate.p_values(scores),
            beyond=not_normal if self._kept is None else beyond_threshold(self._kept, scores),
            unlike_anything_seen=self._unlike_anything_seen(scores),
            deviations=self._deviations(windows),
        )

    def questions(
        self,
        window: NDArray[np.float32],
        measured: NDArray[np.float64],
        deviations: NDArray[np.float64],
        *,
        answers: Sequence[float] = (),
    ) -> WindowQuestions:
        """See `Watcher.questions`."""
        scale = self.model.preparation
        of_training = isinstance(scale, FittedTrainingScale)
        normal = scale.centre if isinstance(scale, FittedTrainingScale) else np.zeros(window.shape[1])
        covered = CoveredWindow(window, measured, normal, normal if of_training else measured.mean(axis=0))
        return WindowQuestions(covered, lambda *pair: self._scores(self._predicted(*pair)), deviations, answers=answers)

    def _predicted(self, windows: NDArray[np.float32], measured: NDArray[np.float64]) -> list[Prediction]:
        dataset = ImageDataset.from_source(
            DrawnWindows(windows, self.recipe),
            [str(row) for row in range(len(windows))],
            table=self._table(windows, measured),
        )
        return list(self.model.predict_each(dataset))

    def _scores(self, predicted: Sequence[Prediction]) -> NDArray[np.float64]:
        """Probability of an anomaly."""
        normal = self.model.classes.index(NORMAL)
        return 1.0 - np.array([one.probabilities[normal] for one in predicted], dtype=np.float64)

    @property
    def _kept(self) -> AlarmRate | None:
        """The rate, where it promises something."""
        return None if self.rate is None or self.rate.per_day is None else self.rate

    def _unlike_anything_seen(self, scores: NDArray[np.float64]) -> NDArray[np.bool_]:
        if self.rate is None:
            return np.zeros(len(scores), dtype=bool)
        return self.rate.unlike_anything_seen(scores)

    def _table(self, windows: NDArray[np.float32], measured: NDArray[np.float64]) -> Sequence[TableColumn]:
        if not self.recipe.statistics:
            return ()
        found = statistics(measured if self.recipe.standardise in RAW_STATISTICS else windows)
        names = statistic_names(self.recipe.channels)
        return [TableColumn(name, column) for name, column in zip(names, found.T, strict=True)]

    def _deviations(self, windows: NDArray[np.float32]) -> NDArray[np.float64]:
        scale = self.model.preparation
        values = scale.standardised(windows) if isinstance(scale, FittedTrainingScale) else windows
        return values.astype(np.float64)


def _live(model: Model) -> Model:
    """The model with a network, ready to run, that gives what its head takes and no more, windows one by one."""
    found = replace(model, engine=live_engine(model.engine), trims_network=not model.others, batch_of_one=None)
    try:
        make_ready(found.extractor)
    except EngineError:  # OpenVINO cannot express every network
        found = replace(found, engine=replace(model.engine, batch_size=few_at_once(model.engine)))
        make_ready(found.extractor)
    return found


def load_bundle_watcher(path: Path, rate: AlarmRate | None = None) -> BundleWatcher:
    """The classifier of windows of a run, or of its bundle.

    Raises
    ------
    BundleError
        When it is damaged, or was not fitted on recordings that have windows called normal.
    """
    folder = find_bundle(path)
    check_manifest(folder)
    if not (folder / RECIPE_FILE).is_file():
        raise BundleError(
            f"{path} was not fitted on recordings: {RECIPE_FILE} is missing. Give the folder that `headstart signals "
            "fit -o` or `headstart signals normal -o` wrote."
        )
    stored = read_json(folder / RECIPE_FILE)
    try:
        recipe = SignalRecipe.from_json(stored["recipe"], source=str(folder / RECIPE_FILE))
        sizes = tuple(float(size) for size in stored["sizes"])
    except (KeyError, TypeError, ValueError, DataError) as error:
        raise BundleError(f"{folder / RECIPE_FILE}: cannot be understood ({error}). Fit the model again.") from error
    model = _live(load_model(folder))
    if NORMAL not in model.classes or len(sizes) != len(recipe.channels):
        raise BundleError(
            f"{folder}: none of the classes ({', '.join(model.classes)}) is {NORMAL!r}, so nothing is an alarm."
        )
    identity = hash_json([hash_file(folder / MANIFEST), stored, None if rate is None else rate.to_json()])
    return BundleWatcher(model, recipe, sizes, identity, rate)
