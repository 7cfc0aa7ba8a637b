"""Fine-tuning: the last stages of a backbone trained on, from the best frozen head."""

from headstart.finetuning.inputs import Maps, PreparedPixels, RecomputedMaps, open_maps
from headstart.finetuning.network import UnlockedNetwork, tuned_backbone
from headstart.finetuning.predict import features_of, predict_images, probabilities_of
from headstart.finetuning.result import FineTuned, History, Store
from headstart.finetuning.spec import FROM_SCRATCH, FineTuneSpec, frozen_stage
from headstart.finetuning.task import TrainingContext, TrainingTask
from headstart.finetuning.train import fine_tune

__all__ = [
    "FROM_SCRATCH",
    "FineTuneSpec",
    "FineTuned",
    "History",
    "Maps",
    "PreparedPixels",
    "RecomputedMaps",
    "Store",
    "TrainingContext",
    "TrainingTask",
    "UnlockedNetwork",
    "features_of",
    "fine_tune",
    "frozen_stage",
    "open_maps",
    "predict_images",
    "probabilities_of",
    "tuned_backbone",
]
