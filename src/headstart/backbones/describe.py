"""Backbones described for people: the list of the named ones, and the stages of any.

Imports nothing heavy until a network is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headstart.backbones.entry import Entry
from headstart.backbones.registry import ENTRIES, find_entry
from headstart.backbones.weights.locate import available_from

if TYPE_CHECKING:
    from headstart.backbones.complexity import StageInfo


def list_backbones() -> list[dict[str, str | int | None]]:
    """One row per named backbone, oldest family first: what it is, and where its weights would come from."""
    return [
        {
            "name": entry.name,
            "family": entry.family,
            "year": entry.year,
            "paper": entry.paper,
            "parameters": entry.n_parameters,
            "multiply-adds": entry.multiply_adds,
            "input size": entry.input_size,
            "feature width": entry.feature_width,
            "licence": entry.licence,
            "weights": available_from(entry),
        }
        for entry in _by_age_of_family()
    ]


def _by_age_of_family() -> list[Entry]:
    """Entries in the order of registration within a family; families by their first year, then by name."""
    first: dict[str, int] = {}
    for entry in ENTRIES.values():
        year = 0 if entry.year is None else entry.year
        first[entry.family] = min(year, first.get(entry.family, year))
    return sorted(ENTRIES.values(), key=lambda entry: (first[entry.family], entry.family))


@dataclass(frozen=True)
class BackboneDescription:
    """Stages of a backbone at one input size.

    Attributes
    ----------
    entry : Entry
    input_size : (int, int)
        Height and width in pixels.
    is_chain : bool
        False where the architecture gives no chain of stages and all of it is one.
    stages : tuple of StageInfo
        Output, parameters and multiply-adds of every stage.
    """

    entry: Entry
    input_size: tuple[int, int]
    is_chain: bool
    stages: tuple[StageInfo, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary."""
        return {
            "name": self.entry.name,
            "library": f"{self.entry.library} {self.entry.library_name}",
            "licence": self.entry.licence,
            "input_size": list(self.input_size),
            "natural": self.is_chain,
            "stages": [stage.to_json() for stage in self.stages],
        }


def describe_backbone(
    name: str, *, input_size: tuple[int, int] | None = None, offline: bool = False
) -> BackboneDescription:
    """The stages of a backbone by its name, without weights.

    Parameters
    ----------
    name : str
        See `headstart.backbones.registry.find_entry`.
    input_size : (int, int), optional
        Height and width in pixels. Default: what the weights were trained at.
    offline : bool
        Read the configuration of a network named by its hub id from this machine only.

    Raises
    ------
    InputError
        For an unknown name, or a size that the network cannot take.
    WeightsError
        When the configuration of a hub network cannot be had.
    """
    from headstart.backbones.build import build, pixels_of, staged
    from headstart.backbones.weights.hub_config import with_hub_config

    entry = with_hub_config(find_entry(name), offline=offline)
    is_listed = entry.n_parameters is not None  # other networks' stages are proved, which takes numbers
    network = build(entry, device="meta" if is_listed else "cpu")
    chain = staged(network, entry)
    size = input_size or pixels_of(entry, network).input_size
    return BackboneDescription(entry, size, chain.natural, chain.describe(size))
