"""The four methods, and which of them fits a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from headstart.backbones.feature_block import HANDCRAFTED
from headstart.errors import InputError, unknown_name
from headstart.explain.methods.exact import exact_maps
from headstart.explain.methods.integrated_gradients import integrated_gradient_maps
from headstart.explain.methods.occlusion import occlusion_maps
from headstart.explain.methods.sharp import check_reaches_features, check_stage, default_stage, sharp_maps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from headstart.explain.attribution import Attribution
    from headstart.explain.scored_model import Pictures, ScoredModel

SHARP: Final = "sharp"
EXACT: Final = "exact"
OCCLUSION: Final = "occlusion"
INTEGRATED_GRADIENTS: Final = "integrated-gradients"
METHODS: Final = (SHARP, EXACT, OCCLUSION, INTEGRATED_GRADIENTS)


@dataclass(frozen=True, eq=False)
class Method:
    """A method and the model it is put to work on.

    Attributes
    ----------
    model : ScoredModel
    name : str
        One of `METHODS`.
    stage : str or None
        Stage that a sharp map looks at.
    notes : tuple of str
        What a reader of the maps must know.
    """

    model: ScoredModel
    name: str
    stage: str | None
    notes: tuple[str, ...]

    @classmethod
    def of(cls, model: ScoredModel, name: str, stage: str | None) -> Method:
        """The method by that name; occlusion in place of sharp maps for a head whose scores have no gradient.

        Raises
        ------
        InputError
            For an unknown method or stage, or when the method does not fit the model.
        """
        if name not in METHODS:
            raise InputError(unknown_name("method", name, METHODS))
        label = model.model.head.spec.label
        if model.model.backbone.is_absent:
            raise InputError(
                f"The head ({label}) takes an array of numbers and nothing of the pictures, so no place of an image "
                "has a share in its score. Fit with the features of a network, such as multi, beside the array."
            )
        if stage is not None:
            _check_takes_stage(name)
            check_stage(model, stage)
            check_reaches_features(model, stage)
        if all(block in HANDCRAFTED for block, _ in model.blocks):
            raise InputError(
                f"The head ({label}) takes descriptors of the whole image and nothing of the network, so no place "
                "of an image has a share in its score. Fit with other features, such as multi+descriptors."
            )
        notes = _notes(model)
        if model.class_scores.gradient is None and name == INTEGRATED_GRADIENTS:
            raise InputError(
                f"The scores of the head ({label}) rise in steps and have no gradient. Use the method 'occlusion'."
            )
        if model.class_scores.gradient is None and name == SHARP:
            steps = f"The scores of the head ({label}) rise in steps and have no gradient: the maps are of occlusion."
            return cls(model, OCCLUSION, None, (*notes, steps))
        if name == SHARP:
            stage = stage or default_stage(model)
        return cls(model, name, stage, notes)

    def maps(self, pictures: Pictures, weights: NDArray[np.float64]) -> Attribution:
        """Maps of some images; weights of the classes are of shape (n, P)."""
        if self.stage is not None:
            return sharp_maps(self.model, pictures, weights, self.stage)
        whole = {EXACT: exact_maps, OCCLUSION: occlusion_maps, INTEGRATED_GRADIENTS: integrated_gradient_maps}
        return whole[self.name](self.model, pictures, weights)


def _check_takes_stage(name: str) -> None:
    if name != SHARP:
        raise InputError(
            f"A stage is named, but the method {name!r} looks at none. Leave the stage out, or use 'sharp'."
        )


def _notes(model: ScoredModel) -> tuple[str, ...]:
    """Differences between what is explained and what is predicted."""
    notes = []
    precision = model.model.engine.precision
    if precision != "fp32":
        notes.append(f"Predictions are computed in {precision}, the maps in fp32: their scores may differ a little.")
    n_views = len(model.model.features.averaged or model.model.views)
    if n_views > 1:
        notes.append(f"Predictions are means over {n_views} views of an image; the maps explain the image as it is.")
    if any(block in HANDCRAFTED for block, _ in model.blocks) or model.model.table is not None:
        notes.append("Descriptors and table columns have no place in an image: the maps show nothing of their share.")
    return tuple(notes)
