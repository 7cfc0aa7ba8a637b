"""Options of a fit, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headstart.workflow.options.evaluation import DecisionOptions, ReportOptions, SplitOptions
from headstart.workflow.options.machine import EngineOptions, MachineOptions
from headstart.workflow.options.network import NetworkOptions
from headstart.workflow.options.option import declared_options
from headstart.workflow.options.search import SearchOptions


@dataclass(frozen=True)
class FitOptions(  # the last base's fields come first
    MachineOptions, ReportOptions, EngineOptions, SplitOptions, DecisionOptions, SearchOptions, NetworkOptions
):
    """Everything a user may request of `fit`, by groups.

    An option is declared in its group: `NetworkOptions` (which network, and what it is shown), `SearchOptions` (what is
    tried), `DecisionOptions` (the choosing score, the order of the classes, calibration, decisions), `SplitOptions`
    (folds and seed), `EngineOptions` (library and arithmetic), `ReportOptions` (baselines, report) and
    `MachineOptions` (device, threads, cache). All have defaults.

    Raises
    ------
    InputError
        When a value is unknown or out of range, or two exclude each other.

    Examples
    --------
    >>> FitOptions(backbone="resnet18,vgg19", grid="wide").backbones
    ('resnet18', 'vgg19')
    """

    def identity(self) -> dict[str, Any]:
        """The options that decide the results beside data, search space and sources; others change where work runs."""
        deciding = {
            item.option.recorded_as or item.name: getattr(self, item.name)
            for item in declared_options(FitOptions)
            if item.option.decides
        }
        decided = {"decisions": self.decision_rules.to_json(), **self.ordinal_identity(), **self.novelty_identity()}
        quick = {"quick": True} if self.quick else {}
        return deciding | decided | self.fine_tuning_identity() | self.ensemble_identity() | quick
