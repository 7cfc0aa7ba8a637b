"""The fitted bundle: it predicts, and it is saved and loaded."""

from headstart.model.model import (
    BUNDLE_FORMAT,
    Model,
    Prediction,
    Unlocked,
    image_marks,
    load_model,
)

__all__ = ["BUNDLE_FORMAT", "Model", "Prediction", "Unlocked", "image_marks", "load_model"]
