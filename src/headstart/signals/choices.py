"""Words that a user chooses from; they are read where a command line is made, so nothing heavy is imported here."""

from __future__ import annotations

from typing import Final, Literal, get_args

Standardising = Literal["reference", "robust", "window", "training"]
STANDARDISING: Final = get_args(Standardising)
LabelRule = Literal["any", "majority", "centre"]
LABEL_RULES: Final = get_args(LabelRule)
GapPolicy = Literal["skip", "fill", "refuse"]
GAP_POLICIES: Final = get_args(GapPolicy)
