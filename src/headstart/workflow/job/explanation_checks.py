"""Tests of explanations: each map against chance, against models that learned nothing, and against other models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.data import ImageDataset
from headstart.data.readers.folder.walk import list_images
from headstart.errors import HeadstartError, InputError
from headstart.explain import checks
from headstart.explain.class_maps import weightiest_member
from headstart.explain.scored_model import ScoredModel
from headstart.lesions.cleaning.preparation import CleanedResize
from headstart.model.fold_models import FoldModels, load_fold_models
from headstart.results.models.explanations import ImageChecks
from headstart.study.execution import run_folder as files
from headstart.workflow.job.training_images import TrainingImages

if TYPE_CHECKING:
    from PIL import Image

    from headstart.explain.explanation import Explanation
    from headstart.model import Model
    from headstart.progress import Progress

SEED: Final = 0
_DIGITS: Final = 4


@dataclass(frozen=True, eq=False)
class ExplanationChecks:
    """What explanations are tested with.

    Attributes
    ----------
    model : Model
    folds : FoldModels or None
        Models of the run's outer folds; None for a bundle, which does not hold their heads.
    training : TrainingImages or str
        Those of the run, or why they are not at hand.
    notes : list of str
        Tests that are left out are added, with the reasons.
    progress : Progress
    """

    model: Model
    folds: FoldModels | None
    training: TrainingImages | str
    notes: list[str]
    progress: Progress

    def of(self, explanation: Explanation, dataset: ImageDataset) -> list[ImageChecks]:
        """Tests of every map.

        Parameters
        ----------
        explanation : Explanation
        dataset : ImageDataset
            The images it explains, in its order.
        """
        scored = ScoredModel(self.member)
        encoding = self.model.table
        table = None if encoding is None else encoding.apply(dataset.columns)
        with self.progress.task("Testing the maps", 4, "tests") as advance, scored.computing():
            orders = checks.order_tests(scored, scored.pictures(explanation.pixels, table), explanation, seed=SEED)
            advance(1)
            random = self._likeness(explanation, dataset, self._random_network())
            advance(1)
            permuted = self._likeness(explanation, dataset, self._permuted())
            advance(1)
            folds = [self._likeness(explanation, dataset, one) for one in self._fold_models()]
            advance(1)
        return [
            ImageChecks(
                deletion=round(order.deletion, _DIGITS),
                insertion=round(order.insertion, _DIGITS),
                random_network=random[row],
                permuted_labels=permuted[row],
                survives=_survives(random[row], permuted[row]),
                folds_agreement=_mean([found[row] for found in folds]),
                n_folds=len(folds),
                completeness=_finite(explanation.distances[row]),
            )
            for row, order in enumerate(orders)
        ]

    @property
    def member(self) -> Model:
        """The model that maps are made of: of an ensemble one member."""
        return weightiest_member(self.model)[0]

    def _likeness(self, explanation: Explanation, dataset: ImageDataset, other: Model | None) -> list[float | None]:
        """Likeness of each map to that of another model; None throughout where there is none."""
        if other is None or not len(explanation):
            return [None] * len(explanation)
        try:
            return [round(one, _DIGITS) for one in checks.likeness(explanation, other, dataset)]
        except InputError as error:  # a head of another kind may have no map of this method
            self.notes.append(f"One test against another model is left out: {error}")
            return [None] * len(explanation)

    def _random_network(self) -> Model | None:
        try:
            return checks.random_network(self.member)
        except HeadstartError as error:
            self.notes.append(f"The test against a random network is left out: {error}")
            return None

    def _permuted(self) -> Model | None:
        """The model with a head that was trained on permuted labels."""
        if isinstance(self.training, str):
            self.notes.append(f"The test against a head of permuted labels is left out: {self.training}")
            return None
        if self.model.table is not None or self.model.others:
            why = "the head takes table columns" if self.model.table is not None else "the model is an ensemble"
            self.notes.append(f"The test against a head of permuted labels is left out: {why}.")
            return None
        codes = np.array([self.model.classes.index(label) for label in self.training.labels], dtype=np.int64)
        head = checks.permuted_head(self.model.head, self.training.features, codes, seed=SEED)
        return replace(self.model, head=head)

    def _fold_models(self) -> list[Model]:
        if self.folds is None:
            self.notes.append(
                "The test of agreement between outer folds is left out: a bundle does not hold their heads."
            )
            return []
        found = self.folds
        if len(found.models) < found.n_folds:
            self.notes.append(
                f"Agreement is between {len(found.models)} of {found.n_folds} outer folds: the others have another "
                "network, or a fine-tuned one."
            )
        return [one.model for one in found.models]


def fold_models_of(run: Path, model: Model) -> FoldModels | None:
    """Models of the outer folds of a run; None for a bundle.

    Raises
    ------
    RunError
        When a file of them is missing or damaged.
    """
    folder = run / files.FOLDS_FOLDER
    return load_fold_models(folder, model) if folder.is_dir() else None


def masks_of(folder: Path, images: Sequence[str], *, allow_outside: bool = False) -> dict[str, Path]:
    """Masks of images in a folder, by the images' names: files of the same name, whatever their ending.

    With `allow_outside` links that lead out of the folder are followed.

    Raises
    ------
    InputError
        When the folder is none, has no mask of any of the images, or names do not tell whose a mask is.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder. Give a folder of masks with the names of the images.")
    found = _by_stem(list_images(folder, allow_outside=allow_outside))
    named = {stem: same for stem, same in _by_stem(images).items() if stem in found}
    for same in (*named.values(), *(found[stem] for stem in named)):
        if len(same) > 1:
            raise InputError(
                f"Masks are found by the names of files, and {same[0]} and {same[1]} have the same. Explain images of "
                "different names, with one mask of each name."
            )
    masks = {same[0]: folder / found[stem][0] for stem, same in named.items()}
    if images and not masks:
        raise InputError(
            f"{folder} has no mask of these images, such as {Path(images[0]).stem}.png. Give masks the images' names."
        )
    return masks


def _by_stem(names: Sequence[str]) -> dict[str, list[str]]:
    """Names of files by what they are called without folder and ending."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(Path(name).stem, []).append(name)
    return found


def with_masks(
    tested: Sequence[ImageChecks | None],
    explanation: Explanation,
    pictures: ImageDataset,
    masks: Mapping[str, Path],
    model: Model,
) -> list[ImageChecks | None]:
    """Tests with the share of each map's heat inside the mask of its image, where it has one.

    Parameters
    ----------
    tested : sequence of (ImageChecks or None)
    explanation : Explanation
    pictures : ImageDataset
        The images it explains, in its order.
    masks : mapping of str to Path
    model : Model

    Raises
    ------
    ImageError
        When a mask cannot be read.
    InputError
        When it is of another shape than its image, or dark throughout but not black.
    """
    settings = model.preparation.settings()
    found = list(tested)
    for row, image in enumerate(explanation.images):
        if image in masks:
            dataset = ImageDataset.from_files([str(masks[image])])
            picture = pictures.load(row, channels=settings.get("channels"))
            _check_mask(masks[image], dataset.load(0), picture.size)
            box = model.preparation.shown_part(picture) if isinstance(model.preparation, CleanedResize) else None
            mask = checks.mask_on_input(dataset, 0, model.preparation.size, str(settings["resize"]), box)
            inside, share = checks.inside_mask(explanation.maps[row], mask)
            shares = {
                "inside_mask": None if inside is None else round(inside, _DIGITS),
                "mask_share": round(share, _DIGITS),
            }
            found[row] = (found[row] or ImageChecks()).model_copy(update=shares)
    return found


def _check_mask(path: Path, mask: Image.Image, size: tuple[int, int]) -> None:
    """Refuse a mask that says nothing of an image of a size (width, height)."""
    (width, height), (columns, rows) = mask.size, size
    if abs(height * columns - width * rows) > max(rows, columns):  # more than rounding to whole pixels explains
        raise InputError(
            f"{path} is {width} x {height} pixels, its image {columns} x {rows}: another shape, so places of the one "
            "are not places of the other. Give the mask of the whole image."
        )
    if 0 < np.asarray(mask.convert("RGB")).max() <= checks.DARK:
        raise InputError(
            f"{path}: no value is above {checks.DARK}, though some are above 0, so the mask covers nothing. Give a "
            "mask that is 255 inside and 0 outside."
        )


def _survives(random: float | None, permuted: float | None) -> bool | None:
    """Whether a map would look alike had nothing been learned; None where that was not tested."""
    if random is None or permuted is None:
        return None
    return min(random, permuted) >= checks.SURVIVES


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), _DIGITS) if known else None


def _finite(value: float) -> float | None:
    return round(float(value), 9) if np.isfinite(value) else None
