"""`TransferClassifier`: images and labels in, class probabilities out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from headstart.data.groups import join_groups
from headstart.data.memory.labelled import has_labels
from headstart.data.split.make import split_dataset
from headstart.errors import ArgumentError, unknown_name
from headstart.estimators.base import ImageEstimator, check_name
from headstart.estimators.inputs import Images, in_order, labelled, labelled_dataset
from headstart.heads import FittedHead, HeadSpec, fit_heads, grid, searchable_kinds
from headstart.heads.spec import KINDS
from headstart.runtime.threads import single_thread
from headstart.study.data import StudyData
from headstart.study.folds import FINAL, OuterFold, final_fold
from headstart.study.nested_cv import run_folds
from headstart.study.plan import StudyPlan
from headstart.study.table_block import FoldTable, beside

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from headstart.data.dataset import ImageDataset
    from headstart.data.table.encoding import TableEncoding
    from headstart.features.extractor import Extractor
    from headstart.model import Model

AUTO = "auto"
_N_FOR_AUTO = 5  # what the split that also serves `headstart fit` needs of every class


@dataclass(eq=False, repr=False)
class TransferClassifier(ClassifierMixin, ImageEstimator):  # type: ignore[misc]
    """Classifier of images: a frozen pretrained backbone and a head trained on its features.

    It fits and predicts; it does not judge itself. `headstart.fit` gives an honest estimate of how well the procedure
    works, and so does scikit-learn's cross-validation around this estimator.

    Parameters
    ----------
    backbone : str
        See `FrozenFeatures`.
    head : {"logistic", "dense", "knn", "svm", "cumulative", "corn", "auto"}
        What is trained on the features; ``cumulative`` and ``corn`` are for ordered classes. ``auto`` tries
        ``headstart.heads.grid("quick")`` on 4 stratified, grouped inner folds and takes the candidate of the smallest
        log loss: the choice that `headstart.fit` makes for its model.
    settings : dict, optional
        Settings of the head that differ from its defaults, such as ``{"C": 0.1}``; not with ``auto``.
    ordinal : str or sequence, optional
        The labels from the lowest to the highest, or ``auto`` where their names say the order (docs/ordinal.md); then
        ``auto`` tries heads of ordered classes too. Default: the ImageDataset's order, or none.
    weights, input_size, resize, white_level, decode, normalise, channels, device, threads : optional
        See `FrozenFeatures`.
    engine, precision, batch_size, cache, offline : optional
        See `FrozenFeatures`.
    seed : int >= 0
        Seed of the head's fit, the inner folds and random weights.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Distinct labels, sorted, or in the order of `ordinal`.
    model_ : Model
        The whole fitted classifier, which `to_model` returns.
    head_ : FittedHead
        Its head; ``head_.spec`` says which one ``auto`` chose.
    candidates_ : list of (HeadSpec, float)
        What ``auto`` tried, and the log loss over its inner folds; empty when the head was named.

    Notes
    -----
    A row's probabilities do not depend on the other rows of the call. Identical images are kept on one side of every
    inner fold, as are the groups given to `fit`; put `groups` into the outer split of your cross-validation too.

    To share a model, save it with ``to_model().save(folder)``: the bundle holds no pickle, and ``headstart predict``
    reads it. A pickle of the estimator works, but holds the network as code; as with any pickle, load only your own.

    Examples
    --------
    >>> import numpy as np
    >>> from headstart import TransferClassifier
    >>> images = np.repeat(np.arange(0, 240, 20, dtype=np.uint8), 64).reshape(12, 8, 8)
    >>> labels = ["dark"] * 6 + ["bright"] * 6
    >>> classifier = TransferClassifier("test_vit", head="knn", weights="random", input_size=32, threads=1)
    >>> classifier.fit(images, labels).predict_proba(images[:2]).shape
    (2, 2)
    """

    head: str = "logistic"
    settings: Mapping[str, Any] | None = field(default=None, kw_only=True)
    ordinal: str | Sequence[Any] | None = field(default=None, kw_only=True)

    def fit(
        self,
        X: Images,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Compute the features and train the head.

        Parameters
        ----------
        X : ImageDataset, path, Pillow image, array, tensor, sequence of these, data set, or table
            docs/data.md lists what is taken. Table columns of an ImageDataset stand beside its pictures; prediction
            needs them too then.
        y : array-like of shape (n_images,)
            Label of every image: text, whole numbers or truth values. May be left out when X has labels: an
            ImageDataset, a data set of torch or Hugging Face, a table.
        sample_weight : array-like of shape (n_images,), float >= 0, optional
            How often each image counts: 2 is the image twice, 0 leaves it out. Default: the ImageDataset's, or 1.
        groups : array-like of shape (n_images,), optional
            Images of one group stay together where training rows are split: by ``auto``, and by the calibration of
            ``svm``. Default: the ImageDataset's, or none.

        Returns
        -------
        TransferClassifier
            Itself.

        Raises
        ------
        ArgumentError
            When X, y or an option cannot be used; also a ValueError.
        ImageError
            The first image that cannot be read.
        InputError, WeightsError, SplitError
            When a name is unknown, weights are missing, or ``auto`` cannot split the images.
        """
        brings_labels = y is None and has_labels(X)
        given = labelled_dataset(X) if brings_labels else self._dataset(X)
        dataset, classes = labelled(given, y, sample_weight, groups)
        order = given.classes if self.ordinal is None and given.ordered and y is None else self.ordinal
        if order is not None:
            dataset, classes = in_order(dataset, classes, order)
        candidates = self._candidates(dataset.ordered, len(dataset.classes))
        dataset = with_copies_joined(dataset)
        extractor = self._open_extractor(dataset)
        if len(candidates) > 1:
            check_enough(dataset)
        data = study_data(dataset, self._extract(dataset, extractor), extractor.stage_widths)
        head, tried = self._choose(dataset, data, candidates)
        self.classes_ = classes
        self.candidates_ = tried
        table = None if data.columns is None else data.columns.encoding(all_rows(len(dataset)))
        self.model_ = self._model(dataset, extractor, head, table)
        self.head_ = head
        return self

    def predict_proba(self, X: Images) -> NDArray[np.float64]:
        """Probability of every class for every image.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        ndarray of shape (n_images, n_classes), float64
            Columns in the order of `classes_`; rows sum to 1.

        Raises
        ------
        ArgumentError
            When X is no collection of images; also a ValueError.
        ImageError
            The first image that cannot be read; ``to_model().predict_each`` goes on instead.
        """
        check_is_fitted(self)
        dataset, encoding = self._dataset(X), self.model_.table
        table = None if encoding is None else encoding.apply(dataset.columns)
        return self.head_.predict_proba(beside(self._extract(dataset, self.model_.extractor), table))

    def predict(self, X: Images) -> NDArray[Any]:
        """Most probable class of every image, shape (n_images,); see `predict_proba`."""
        codes = np.argmax(self.predict_proba(X), axis=1)
        predicted: NDArray[Any] = self.classes_[codes]
        return predicted

    def to_model(self) -> Model:
        """The fitted classifier as a bundle, to be saved with ``to_model().save(folder)``; its classes are text."""
        check_is_fitted(self)
        model: Model = self.model_
        return model

    def _candidates(self, ordered: bool, n_classes: int) -> tuple[HeadSpec, ...]:
        check_name("head", self.head, example="logistic")
        if self.head not in (*searchable_kinds(), AUTO):
            raise ArgumentError(unknown_name("head", self.head, [*searchable_kinds(), AUTO]))
        if self.settings is not None and not isinstance(self.settings, Mapping):
            raise ArgumentError(f"settings must be a dict such as {{'C': 0.1}}, not {self.settings!r:.80}.")
        if self.head != AUTO:
            named = HeadSpec(self.head, _plain(self.settings or {}))
            if KINDS[named.kind].needs_order and not ordered:
                raise ArgumentError(
                    f"head={self.head!r} is for ordered classes. Name their order, from the lowest to the highest: "
                    'ordinal=["low", "middle", "high"].'
                )
            return (named,)
        if self.settings:
            raise ArgumentError("head='auto' chooses the settings itself. Name a head, or leave settings out.")
        return tuple(grid("quick", ordered=ordered, n_classes=n_classes))

    def _choose(
        self, dataset: ImageDataset, data: StudyData, candidates: tuple[HeadSpec, ...]
    ) -> tuple[FittedHead, list[tuple[HeadSpec, float]]]:
        """The fitted head, and what was tried with its log loss over the inner folds."""
        if len(candidates) == 1:
            return fitted_head(data, candidates[0], self.seed), []
        fold = final_fold(split_dataset(dataset, seed=self.seed))
        found = run_folds(data, [fold], StudyPlan.of_heads(candidates, seed=self.seed))[0]
        return found.head, list(zip(candidates, found.inner_log_loss.tolist(), strict=True))

    def _model(
        self, dataset: ImageDataset, extractor: Extractor, head: FittedHead, table: TableEncoding | None
    ) -> Model:
        from headstart.model import FeatureRecipe, Model, image_marks

        facts = {
            "made_by": type(self).__name__,
            "n_images": len(dataset),
            **({"ordered": True} if dataset.ordered else {}),
            "data_sha256": dataset.fingerprint(),
            "images_sha256": sorted(set(image_marks(dataset))),
        }
        return Model(
            backbone=extractor.backbone,
            preparation=extractor.preparation,
            engine=extractor.engine,
            head=head,
            classes=dataset.classes,
            facts=facts,
            network=extractor.network,
            table=table,
            features=FeatureRecipe.of(extractor),
        )


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with numpy's numbers, as a search over an array brings them, turned into Python's."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in settings.items()}


def with_copies_joined(dataset: ImageDataset) -> ImageDataset:
    """The data set with its content hashes, identical images joined to one group: no copy is judged by its duplicate.

    Raises
    ------
    ImageError
        The first image that cannot be read.
    """
    hashes = [dataset.content_hash(row) for row in range(len(dataset))]
    first: dict[str, int] = {}
    copies = [(first[digest], row) for row, digest in enumerate(hashes) if first.setdefault(digest, row) != row]
    hashed = dataset.with_hashes(hashes)
    return hashed.with_groups(join_groups(dataset.groups, copies, len(dataset))) if copies else hashed


def study_data(dataset: ImageDataset, features: NDArray[np.float32], blocks: tuple[int, ...]) -> StudyData:
    """Labels, weights and features of the images, which heads are trained on, with the widths of their blocks."""
    labels = np.asarray(dataset.labels, dtype=np.int64)
    columns = FoldTable(dataset.columns, dataset.weights) if dataset.columns else None
    return StudyData(
        (features,),
        labels,
        len(dataset.classes),
        dataset.weights,
        dataset.groups,
        columns=columns,
        blocks=(blocks,),
        ordered=dataset.ordered,
    )


def all_rows(n_images: int) -> OuterFold:
    """Every row as the training rows of a fold, which tests none."""
    rows = np.arange(n_images, dtype=np.int64)
    return OuterFold(0, FINAL, rows, rows[:0], ())


def fitted_head(data: StudyData, spec: HeadSpec, seed: int) -> FittedHead:
    """One head fitted on all rows, on one thread, so that it comes out the same everywhere."""
    data = data.of_fold(all_rows(len(data.labels))).joined()
    with single_thread():
        return fit_heads(
            [spec],
            data.features[0],
            data.labels,
            n_classes=data.n_classes,
            weights=data.weights,
            groups=data.groups,
            seed=seed,
            spread=data.spread,
        )[0]


def check_enough(dataset: ImageDataset) -> None:
    """Refuse a class with too few images or groups for inner folds, before any feature is computed.

    Raises
    ------
    ArgumentError
        Naming the smallest class, and what would work.
    """
    labels = np.asarray(dataset.labels)
    units = np.arange(len(labels)) if dataset.groups is None else dataset.groups
    counted = np.full(len(labels), True) if dataset.weights is None else dataset.weights > 0
    sizes = [len(np.unique(units[counted & (labels == code)])) for code in range(len(dataset.classes))]
    smallest = int(np.argmin(sizes))
    if sizes[smallest] < _N_FOR_AUTO:
        unit = "images" if dataset.groups is None else "groups (identical images count as one)"
        raise ArgumentError(
            f"Class {dataset.classes[smallest]!r} has {sizes[smallest]} {unit}, but head='auto' chooses on inner folds "
            f"that need at least {_N_FOR_AUTO}. Name a head, such as head='logistic', or add images."
        )
