"""The fitted model: everything that is needed to predict."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from headstart.augment import IDENTITY, View
from headstart.backbones.backbone import Backbone
from headstart.data import ImageDataset, Preparation
from headstart.data.preparation import learned
from headstart.data.read import as_dataset
from headstart.data.table.encoding import TableEncoding
from headstart.decisions import AS_THEY_ARE, Decided, Decisions
from headstart.engines.engine import Engine
from headstart.engines.network_cache import NetworkCache
from headstart.errors import InputError
from headstart.features.extract import mean_of_views
from headstart.features.extractor import Extractor
from headstart.features.kept import stream_kept
from headstart.features.pipeline import joined
from headstart.finetuning import UnlockedNetwork, features_of
from headstart.heads import FittedHead
from headstart.heads.arithmetic import BLOCK_ROWS
from headstart.model.batch_of_one import BatchOfOne, are_few
from headstart.model.bundle import write_bundle
from headstart.model.feature_recipe import LAST_STAGE, FeatureRecipe
from headstart.model.members import MemberTensors, StoredMembers, store_members
from headstart.model.novelty import ImageNovelty, NoveltyDetector, of_image
from headstart.model.passes import PassReader, Price, mean_probabilities, price_of
from headstart.model.shown import ShownModel
from headstart.progress import Progress, Silent
from headstart.runtime.precision import full_precision
from headstart.runtime.threads import torch_threads
from headstart.storage import default_cache_folder
from headstart.study.table_block import beside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from headstart.data.memory.collection import Pictures
    from headstart.decisions import Novelty
    from headstart.errors import ImageError
    from headstart.features.cache import FeatureCache

    _Predicted = tuple[list[int], NDArray[np.float64], list[tuple[int, ImageError]], Novelty | None]

_MARK_LENGTH = 16


@dataclass(frozen=True)
class Prediction:
    """Prediction for one image.

    Attributes
    ----------
    image : str
        Name in the data set.
    probabilities : tuple of float
        One per class, calibrated; empty when the image could not be read.
    predicted : str or None
        Predicted class, which need not be the most probable; None when the image could not be read.
    error : str or None
        Why the image could not be read.
    members : tuple of str, or None
        The prediction set, perhaps empty; None where the model makes none or the image could not be read.
    novelty : ImageNovelty or None
        Distance from the training images; None where the model measures none or the image could not be read.
    """

    image: str
    probabilities: tuple[float, ...] = ()
    predicted: str | None = None
    error: str | None = None
    members: tuple[str, ...] | None = None
    novelty: ImageNovelty | None = None


@dataclass(frozen=True)
class Unlocked:
    """How the last stages of a model were trained.

    Attributes
    ----------
    stage : str or None
        The last stage that stayed as it was; None: every stage was trained.
    settings : dict
        Settings of `headstart.finetuning.FineTuneSpec`.
    epochs : int
        Number of epochs that were trained.
    """

    stage: str | None
    settings: Mapping[str, Any]
    epochs: int

    def to_json(self) -> dict[str, Any]:
        """The attributes by name."""
        return {"stage": self.stage, "settings": dict(self.settings), "epochs": self.epochs}


@dataclass(frozen=True, eq=False, repr=False)
class Model(ShownModel):
    """A fitted classifier of images.

    Attributes
    ----------
    backbone : Backbone
    preparation : Preparation
    engine : Engine
        Engine that the features of the training images were computed with, used again here.
    head : FittedHead
    classes : tuple of str
    facts : dict
        Where the model comes from: fingerprint and size of its data, short hashes of its images, its honest scores,
        versions.
    network : bytes or None
        The quantised network of an int8 engine.
    views : tuple of View
        Views that a prediction is the mean over; empty: the image alone.
    features : FeatureRecipe
        Blocks of the network that the head takes, and views that they are the mean over.
    trims_network : bool
        Whether the network gives these blocks alone and ends with the last stage that they need.
    decisions : Decisions
        Applied to the probabilities that the head gives.
    unlocked : Unlocked or None
        Where stages were fine-tuned: the engine computes what stayed frozen, torch in fp32 the rest.
    notes : tuple of str
        Why the engine is not the one that the model was made with; told before anything is predicted.
    table : TableEncoding or None
        How the table columns that stand beside the pictures become numbers; None for pictures alone.
    others : tuple of Model
        Further members of an ensemble, whose probabilities are averaged with those of this head; decisions and table
        columns are those of this model.
    weights : tuple of float
        Weight of this head, and of every further member; empty where there are none. One of weight 0 has no vote: its
        features tell how new an image is.
    novelty : NoveltyDetector or None
        Tells images unlike the training images, by the features of this head without table columns; None where they
        are not told, or by the features of a further member.
    cache : FeatureCache or None
        Where features of images are looked up and kept, and converted networks. None: features are not kept, networks
        in the user's default folder.
    batch_of_one : BatchOfOne or None
        How far a few pictures, which go through the network one by one, are from whole batches; None where all
        pictures go through in batches that are filled up.
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
    table: TableEncoding | None = None
    features: FeatureRecipe = LAST_STAGE
    trims_network: bool = False
    others: tuple[Model, ...] = ()
    weights: tuple[float, ...] = ()
    novelty: NoveltyDetector | None = None
    cache: FeatureCache | None = None
    batch_of_one: BatchOfOne | None = None

    @property
    def ordered(self) -> bool:
        """Whether the classes stand in an order, the lowest first."""
        return bool(self.facts.get("ordered", False))

    @property
    def holds_training_features(self) -> bool:
        """Whether head or distances keep features of single training images."""
        detector = self.detector
        return self.head.holds_training_features or (detector is not None and detector.distance.holds_training_features)

    @property
    def detector(self) -> NoveltyDetector | None:
        """The detector of images unlike the training images, of whichever member has it; None where there is none."""
        return next((one.novelty for one in (self, *self.others) if one.novelty is not None), None)

    @property
    def n_voting(self) -> int:
        """Number of heads whose probabilities are averaged."""
        return sum(weight > 0 for weight in self.weights) if self.others else 1

    @property
    def keeps_features(self) -> bool:
        """Whether features of images are kept, those of one member at least: stage maps never are."""
        writes = self.cache is not None and self.cache.folder is not None and self.cache.refusal is None
        members = (self, *self.others)
        return writes and any(one.unlocked is None or one.unlocked.stage is None for one in members)

    @functools.cached_property
    def extractor(self) -> Extractor:
        """Extractor of the features; its network is made ready once, when the first image comes."""
        network_cache = NetworkCache(default_cache_folder() if self.cache is None else self.cache.folder)
        stage = None if self.unlocked is None else self.unlocked.stage
        return Extractor(
            self.backbone,
            self.preparation,
            self.engine,
            stage=stage,
            blocks=self.features.blocks,
            beside=self.features.beside,
            averaged=self.features.averaged,
            is_trimmed=self.trims_network,
            network=self.network,
            network_cache=network_cache,
        )

    @functools.cached_property
    def _finish(self) -> UnlockedNetwork | None:
        """Unlocked stages with the head, on the extractor's maps; None where there are none, or all was trained."""
        if self.unlocked is None or self.unlocked.stage is None:
            return None
        device = torch.device(self.engine.device)
        return UnlockedNetwork(self.backbone, self.unlocked.stage, self.head, adapt_norms=False, device=device).eval()

    def _features(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        """Features of the rows that the extractor gave."""
        if self._finish is None:
            return rows
        if len(rows) == 0:  # no image of a batch could be read
            return np.zeros((0, self.backbone.feature_width), dtype=np.float32)
        with torch_threads(self.engine.n_threads), full_precision():
            return features_of(self._finish, rows, device=torch.device(self.engine.device))

    def predict_each(self, dataset: ImageDataset, *, progress: Progress | None = None) -> Iterator[Prediction]:
        """Predictions in row order; an image that cannot be read gets a row with the reason and stops nothing.

        A few images, which fill a third of a batch or less, go through the network one by one where the model has a
        `batch_of_one`: their probabilities agree with those of whole batches to its tolerance.

        Parameters
        ----------
        dataset : ImageDataset
            Labels, if any, are not looked at; table columns are found by their names.
        progress : Progress, optional

        Raises
        ------
        InputError
            When a table column that the model takes is missing or holds texts instead of numbers; before any image is
            read.
        """
        if self._are_few(len(dataset)):
            return self._one_by_one.predict_each(dataset, progress=progress)
        table = None if self.table is None else self.table.apply(dataset.columns)
        self._report_differences(dataset, progress)
        return self._predictions(dataset, table, progress)

    def _are_few(self, n_images: int) -> bool:
        """Whether so many images go through the network one by one."""
        members = (self, *self.others)
        return self.batch_of_one is not None and all(
            are_few(n_images * len(one.seen_views), one.engine) for one in members
        )

    @functools.cached_property
    def _one_by_one(self) -> Model:
        """The model that takes images one by one."""
        return self.on_machine(batch_size=1)

    def _predictions(
        self, dataset: ImageDataset, table: NDArray[np.float32] | None, progress: Progress | None
    ) -> Iterator[Prediction]:
        extractor = self.extractor
        with (progress or Silent()).task("Predicting", len(dataset), "images") as advance:
            for rows, probabilities, failed, novelty in self._head_probabilities(dataset, table, extractor):
                found: dict[int, Prediction] = {
                    row: Prediction(dataset.names[row], error=error.reason) for row, error in failed
                }
                decided = self.decisions.apply(probabilities)
                for place, row in enumerate(rows):
                    far = None if novelty is None else of_image(novelty, place)
                    found[row] = replace(self._prediction(dataset.names[row], decided, place), novelty=far)
                yield from (found[row] for row in sorted(found))
                advance(len(found))

    def _prediction(self, name: str, decided: Decided, place: int) -> Prediction:
        predicted = self.classes[int(decided.predicted[place])]
        sets = decided.sets
        members = None if sets is None else tuple(self.classes[code] for code in np.flatnonzero(sets[place]).tolist())
        return Prediction(name, tuple(decided.probabilities[place].tolist()), predicted, members=members)

    def _head_probabilities(
        self, dataset: ImageDataset, table: NDArray[np.float32] | None, extractor: Extractor
    ) -> Iterator[_Predicted]:
        """Rows with the head's probabilities (mean over views where there are any), rows that failed, and novelty."""
        if self.others:
            readers = [one.reader(table) for one in (self, *self.others)]
            yield from mean_probabilities(dataset, readers, self.weights)
            return
        averaged, seen = self.features.averaged, self.seen_views
        n_views = len(seen)
        rows: list[int] = []
        waiting: list[NDArray[Any]] = []  # of images whose views have not all come yet
        seen_alone: list[NDArray[Any]] = []  # features of the image itself, view 0 of every policy
        for batch in joined(stream_kept(dataset, extractor, range(len(dataset)), seen, self.cache), BLOCK_ROWS):
            rows += batch.rows
            features = self._features(batch.features)
            waiting.append(features if averaged else self._of_head(features, table, batch.rows))
            seen_alone.append(features[np.asarray(batch.views) == 0])
            n_whole = len(rows) // n_views
            together = np.concatenate(waiting)
            of_views = together[: n_whole * n_views].reshape(n_whole, n_views, together.shape[1])
            waiting = [together[n_whole * n_views :]]
            whole = rows[: n_whole * n_views : n_views]
            alone = np.concatenate(seen_alone)
            seen_alone = [alone[n_whole:]]
            if averaged:
                features = mean_of_views(of_views)
                yield whole, self._of_head(features, table, whole), batch.failed, self._novelty(features)
            else:
                yield whole, of_views.mean(axis=1), batch.failed, self._novelty(alone[:n_whole])
            rows = rows[n_whole * n_views :]

    def _novelty(self, features: NDArray[np.float32]) -> Novelty | None:
        """Novelty of images with these features; None where the model does not tell."""
        return None if self.novelty is None else self.novelty.judge(features)

    @functools.cached_property
    def _predictor(self) -> Callable[[NDArray[np.float32]], NDArray[np.float64]]:
        """The head's probabilities, what they need made ready once."""
        return self.head.predictor()

    def _of_head(
        self, features: NDArray[np.float32], table: NDArray[np.float32] | None, rows: Sequence[int]
    ) -> NDArray[np.float64]:
        """Probabilities of the head for features of some rows, their table columns behind them."""
        return self._predictor(beside(features, None if table is None else table[list(rows)]))

    @property
    def seen_views(self) -> tuple[View, ...]:
        """Views of an image that this head sees, the image itself where nothing is averaged."""
        return self.features.averaged or self.views or (IDENTITY,)

    def reader(self, table: NDArray[np.float32] | None = None) -> PassReader:
        """The head as a reader of a forward pass; `table` has the encoded columns of the images."""
        return PassReader(
            self.extractor,
            self.seen_views,
            bool(self.features.averaged),
            self._features,
            lambda features, rows: self._of_head(features, table, rows),
            None if self.novelty is None else self.novelty.judge,
            self.cache,
        )

    @property
    def price(self) -> Price:
        """Price of a prediction, by all members of an ensemble."""
        return price_of([one.reader() for one in (self, *self.others)])

    def predict_proba(self, images: Pictures) -> NDArray[Any]:
        """Probability of every class for every image.

        Parameters
        ----------
        images : ImageDataset, path, Pillow image, array, tensor, sequence of these, data set, or table
            One image or many, of any sizes; docs/data.md lists what is taken. A row for each, in their order.

        Returns
        -------
        ndarray of shape (n_images, n_classes), float64
            Columns in the order of `classes`.

        Raises
        ------
        DataError
            When they are no images.
        ImageError
            The first image that cannot be read; `predict_each` goes on instead.
        """
        rows = [prediction.probabilities for prediction in self._readable(images)]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self.classes))

    def predict(self, images: Pictures) -> NDArray[np.str_]:
        """Predicted class of every image, shape (n_images,); it need not be the most probable.

        Arguments and errors as for `predict_proba`.
        """
        return np.array([prediction.predicted for prediction in self._readable(images)], dtype=np.str_)

    def predict_sets(self, images: Pictures) -> NDArray[np.bool_]:
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

    def _readable(self, images: Pictures) -> Iterator[Prediction]:
        """Predictions in row order, up to the first image that cannot be read: ImageError."""
        from headstart.errors import ImageError

        for prediction in self.predict_each(as_dataset(images)):
            if prediction.error is not None:
                raise ImageError(prediction.image, prediction.error)
            yield prediction

    def on_machine(
        self, *, threads: int | None = None, batch_size: int | None = None, cache: FeatureCache | None = None
    ) -> Model:
        """The same model with other threads, other images per forward pass, or a cache; None leaves each as it is.

        Other threads and another batch size may change the last digits of a probability, no more. With a batch size
        that is named, every forward pass has it, however few the images are.

        Raises
        ------
        InputError
            When a number is out of range, or the network is quantised for batches of another size.
        """
        return replace(
            self,
            engine=self.engine.resized(n_threads=threads, batch_size=batch_size),
            cache=cache or self.cache,
            batch_of_one=self.batch_of_one if batch_size is None else None,
            others=tuple(one.on_machine(threads=threads, batch_size=batch_size, cache=cache) for one in self.others),
        )

    def save(self, folder: Path) -> None:
        """Write the bundle; the manifest is written last, so a half-written bundle is never taken for a whole one.

        Raises
        ------
        StorageError
            When the disk refuses.
        """
        stored = store_members([one._tensors() for one in (self, *self.others)])
        write_bundle(
            folder,
            {**self._description(), **self._ensemble(stored)},
            backbone=self.backbone.state(),
            head=self.head.to_tensors(),
            network=self.network,
            preparation=learned(self.preparation),
            has_blocks=self.features != LAST_STAGE,
            has_order=self.ordered or self.decisions.class_rule is not None,
            members=stored.content if self.others else None,
            novelty=None if self.detector is None else self.detector.to_tensors(),
        )

    def _report_differences(self, dataset: ImageDataset, progress: Progress | None) -> None:
        """Report differences to the making of the model; as warnings where there is no progress to note them."""
        for note in (*self.notes, *(() if self.table is None else self.table.notes(dataset.columns))):
            if progress is None:
                warnings.warn(note, stacklevel=4)
            else:
                progress.note(note)

    def _description(self) -> dict[str, Any]:
        blocks = {} if self.features == LAST_STAGE else {"features": self.features.to_json()}
        novelty = {} if self.novelty is None else {"novelty": self.novelty.to_json()}
        batch_of_one = {} if self.batch_of_one is None else {"batch_of_one": self.batch_of_one.to_json()}
        return {
            **blocks,
            **novelty,
            **batch_of_one,
            "backbone": described_backbone(self.backbone),
            "classes": list(self.classes),
            "decisions": self.decisions.to_json(),
            "engine": self.engine.to_json(),
            "facts": self.facts,
            "head": self.head.spec.to_json(),
            "holds_training_features": self.holds_training_features,
            "preparation": self.preparation.settings(),
            "table": None if self.table is None else self.table.to_json(),
            "unlocked": None if self.unlocked is None else self.unlocked.to_json(),
            "views": [view.to_json() for view in self.views],
        }

    def _tensors(self) -> MemberTensors:
        """Everything of this head and its features that is stored as tensors."""
        return MemberTensors(self.backbone.state(), self.head.to_tensors(), learned(self.preparation), self.network)

    def _ensemble(self, stored: StoredMembers) -> dict[str, Any]:
        """Weights, and for every further member its description and the names of its files."""
        if not self.others:
            return {}
        whole = ("classes", "decisions", "facts", "table")
        members = [
            {**{name: value for name, value in one._description().items() if name not in whole}, "files": files}
            for one, files in zip(self.others, stored.places, strict=True)
        ]
        return {"ensemble": {"weights": list(self.weights), "members": members}}


def described_backbone(backbone: Backbone) -> dict[str, Any]:
    """What a network is restored by, beside its tensors."""
    return {
        "name": backbone.name,
        "weights": backbone.weights.to_json(),
        "normalisation": {"mean": list(backbone.mean), "std": list(backbone.std)},
        "hub_config": backbone.hub_config,
    }


def mark_of(content_hash: str) -> str:
    """Short hash by which a bundle knows an image again, from the hash of its content."""
    return content_hash[:_MARK_LENGTH]


def image_marks(dataset: ImageDataset) -> list[str]:
    """Short hash of every image's content, in row order."""
    return [mark_of(dataset.content_hash(row)) for row in range(len(dataset))]
