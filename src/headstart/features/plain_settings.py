"""Settings of features: everything beside an image that shapes them, the cache key's second half."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any

import PIL

from headstart.data.preparation import Preparation, cache_settings

if TYPE_CHECKING:
    from headstart.augment import View
    from headstart.backbones.backbone import Backbone
    from headstart.engines.engine import Engine


def plain_settings(
    backbone: Backbone, preparation: Preparation, engine: Engine, *, stage: str | None = None, view: View | None = None
) -> dict[str, Any]:
    """Settings of features that are the pooled output of the last stage, or the map of a stage.

    Parameters
    ----------
    backbone : Backbone
    preparation : Preparation
    engine : Engine
    stage : str, optional
        The stage whose map they are. None: the pooled output of the last.
    view : View, optional
        None: the image itself.
    """
    return {
        "backbone": backbone.name,
        "tensors": backbone.tensors_sha256,
        "normalisation": [list(backbone.mean), list(backbone.std)],
        "preparation": cache_settings(preparation),
        "stage": backbone.stage if stage is None else f"map of {stage}",
        "view": "identity" if view is None else view.settings(),
        "engine": engine.settings(),
        "decoder": f"pillow {PIL.__version__}",
        "architecture": f"timm {importlib.metadata.version('timm')}",
    }
