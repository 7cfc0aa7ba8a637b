"""Sharp maps: LayerCAM at a stage where places are still told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from headstart.backbones.stage_outputs import stage_outputs
from headstart.errors import InputError, unknown_name
from headstart.explain.attribution import Attribution
from headstart.explain.input_grid import as_maps, on_input_grid
from headstart.explain.methods.gradients import telling_gradients

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.backbones.feature_block import StageOutput
    from headstart.explain.scored_model import Pictures, ScoredModel

    Floats = NDArray[np.float64]

STRIDE = 16
"""Pixels of the input per cell of the map that is shown: in trials with a planted patch one stage earlier than the last
was more often right on every head, and finer ones no more."""


def default_stage(model: ScoredModel) -> str:
    """The last stage of stride 16; of networks without one the last that is finer, of transformers the last but one.

    Raises
    ------
    InputError
        When no stage gives a map or tokens.
    """
    outputs = [output for output in stage_outputs(model.staged, model.size) if not output.is_flat]
    maps = [output for output in outputs if output.stride is not None and output.stride <= STRIDE]
    tokens = [output for output in outputs if output.sides is None and not output.is_pointwise]
    if maps:
        return maps[-1].name
    if tokens or outputs:
        return (tokens[-2:] or outputs[-1:])[0].name
    raise InputError(
        f"No stage of {model.model.backbone.name} gives a map, so no sharp map can be made. Use the method 'occlusion'."
    )


def check_stage(model: ScoredModel, stage: str) -> None:
    """Refuse a stage that is not there or gives no map.

    Raises
    ------
    InputError
        With the close matches.
    """
    outputs: dict[str, StageOutput] = {output.name: output for output in stage_outputs(model.staged, model.size)}
    name = model.model.backbone.name
    if stage not in outputs:
        raise InputError(f"{unknown_name('stage', stage, outputs)} `headstart backbones show {name}` lists the stages.")
    if outputs[stage].is_flat or outputs[stage].sides == (1, 1):
        raise InputError(
            f"Stage {stage!r} of {name} gives one row of numbers an image, not a map. Choose an earlier stage: "
            f"`headstart backbones show {name}` lists them."
        )


def check_reaches_features(model: ScoredModel, stage: str) -> None:
    """Refuse a stage whose places no feature depends on, such as tokens of patches behind the last attention.

    Raises
    ------
    InputError
        Naming the stage.
    """
    blank = torch.zeros(1, model.model.preparation.n_channels, *model.size, device=model.device)
    blank += torch.linspace(-1.0, 1.0, model.size[1], device=model.device)
    traced = model.traced(blank, stage)
    by_places = as_maps(traced.gradients(np.ones(traced.rows.shape))[stage], model.staged.network, model.size)
    if not by_places.any():
        raise InputError(f"Nothing that comes after stage {stage!r} looks at its places. Choose an earlier stage.")


def sharp_maps(model: ScoredModel, pictures: Pictures, weights: Floats, stage: str) -> Attribution:
    """Sharp maps of some images.

    The gradient of the score is carried back through head and network to the output of a stage; where it is positive
    it is multiplied with the output, channel by channel and place by place, and summed over channels. Blocks of earlier
    stages, which the output of this one says nothing of, are added by their own outputs. We leave the sign of the sum
    as it is.

    Parameters
    ----------
    model : ScoredModel
        Its head has a gradient.
    pictures : Pictures
    weights : ndarray of shape (n, P)
        Weights of the classes.
    stage : str

    References
    ----------
    P.-T. Jiang et al., "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization", IEEE Transactions on
    Image Processing 30, 2021, 5875-5888, eq. 5 to 7. DOI 10.1109/TIP.2021.3089943
    """
    traced = model.traced(model.images(pictures.pixels), stage)
    standard = model.standardise(traced.rows.detach().cpu().double().numpy() + pictures.fixed)
    pulls = telling_gradients(model, standard, weights) * model.inverse_scale
    gradients = traced.gradients(pulls)
    maps = np.zeros((len(pictures), *model.size), dtype=np.float32)
    attributed = np.zeros(len(pictures))
    for name, output in traced.maps.items():
        places, slopes = (as_maps(one, model.staged.network, model.size) for one in (output.detach(), gradients[name]))
        found = (places * slopes.clamp_min(0.0)).sum(dim=1).cpu().double().numpy()
        attributed += found.sum(axis=(1, 2))
        maps += on_input_grid(found * (found.shape[1] * found.shape[2]), model.size)
    nothing = np.full(len(pictures), np.nan)
    return Attribution(maps, model.score_rows(standard, weights), nothing, np.zeros(len(pictures)), attributed)
