"""Fine-tuning: the last stages of a backbone trained on, from the best frozen head."""

from headstart.finetune.maps import Maps, PreparedPixels, RecomputedMaps, open_maps
from headstart.finetune.network import UnlockedNetwork, tuned_backbone
from headstart.finetune.predict import features_of, probabilities_of
from headstart.finetune.result import FineTuned, History, Store
from headstart.finetune.spec import FROM_SCRATCH, FineTuneSpec, frozen_stage
from headstart.finetune.train import Setting, Task, fine_tune

__all__ = [
    "FROM_SCRATCH",
    "FineTuneSpec",
    "FineTuned",
    "History",
    "Maps",
    "PreparedPixels",
    "RecomputedMaps",
    "Setting",
    "Store",
    "Task",
    "UnlockedNetwork",
    "features_of",
    "fine_tune",
    "frozen_stage",
    "open_maps",
    "probabilities_of",
    "tuned_backbone",
]
