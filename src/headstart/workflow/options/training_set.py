"""Balancing and augmentation of training rows, as the options request them, and the views that they need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from headstart.augment import POLICIES, View, n_distinct, policy_for_kind, read_policy, views
from headstart.backbones.feature_block import parse_features
from headstart.errors import InputError, unknown_name
from headstart.heads.spec import KINDS
from headstart.study.search.space import Space
from headstart.study.training_set.spec import PLAIN, TrainingSetSpec, training_set_specs
from headstart.workflow.options.fit import FitOptions

N_VIEWS: Final = MappingProxyType({"flips": 4, "dihedral": 8, "geometric": 4, "photometric": 4, "strong": 4})
"""Views of each image, the image itself among them, where `FitOptions.views` leaves it open."""
N_CUSTOM: Final = 4
AUTO: Final = "auto"


MAX_ROWS: Final = 8_000
"""Rows of views that heads take that hold all of them: an SVM's kernel at 8,000 rows is 1 GB, and its fit minutes."""


@dataclass(frozen=True)
class Views:
    """The views of every policy of a search.

    Attributes
    ----------
    of_policy : mapping of str to tuple of View
        By the name that training sets call the policy by; without ``none``.
    """

    of_policy: Mapping[str, tuple[View, ...]]

    def all(self) -> tuple[View, ...]:
        """Every view once, the image itself first; views that two policies share are counted once."""
        found = {str(view.settings()): view for listed in self.of_policy.values() for view in listed}
        return tuple(found.values())

    def to_json(self) -> dict[str, list[dict[str, Any]]]:
        """Plain values: what decides the pixels."""
        return {name: [view.to_json() for view in listed] for name, listed in self.of_policy.items()}


def with_training_sets(space: Space, options: FitOptions) -> Space:
    """The space with the training sets that the options ask for.

    Raises
    ------
    InputError
        When the study names training sets itself, a name is unknown, or views are requested and no policy is named.
    """
    requested = (options.balance, options.augment, options.tta)
    if requested == (None, None, None):
        _check_kind_is_used(space, options)
        return space
    if space.training_sets != (PLAIN,):
        raise InputError(
            f"--balance, --augment and --tta, but {space.name} has a [training] table itself. Leave one of the two out."
        )
    augment = _policies(space, options)
    tta = [bool(options.tta)]
    return replace(space, training_sets=training_set_specs(_listed(options.balance, "balance"), augment, tta))


def requested_views(space: Space, options: FitOptions) -> Views:
    """The views that the training sets of a space need.

    Raises
    ------
    InputError
        When a policy is unknown, its file cannot be used, or it has fewer views than requested.
    """
    names = dict.fromkeys(one.augment for one in space.training_sets if one.augment != "none")
    if options.views is not None and not names:
        raise InputError(f"--views {options.views}, but nothing is augmented. Name a policy with --augment.")
    return Views({name: _views(name, options) for name in names})


def too_many_rows(training_set: TrainingSetSpec, kind: str, n_views: Mapping[str, int], n_images: int) -> bool:
    """Whether views make more rows than heads of this kind take."""
    several = training_set.balance != "views" and training_set.augment != "none"
    return several and KINDS[kind].holds_rows and n_images * n_views[training_set.augment] > MAX_ROWS


def left_out_notes(space: Space, views: Views, n_images: int) -> list[str]:
    """Notes on heads that are not tried on views."""
    n_views = {name: len(listed) for name, listed in views.of_policy.items()}
    notes = []
    for kind in dict.fromkeys(table.kind for table in space.tables):
        policies = dict.fromkeys(
            one.augment for one in space.training_sets if too_many_rows(one, kind, n_views, n_images)
        )
        notes += [
            f"{kind} is not tried on views of {name}: {n_images * n_views[name]:,} rows are more than the "
            f"{MAX_ROWS:,} it takes."
            for name in policies
        ]
    return notes


def _views(name: str, options: FitOptions) -> tuple[View, ...]:
    if name.endswith(".toml"):
        return views("custom", options.views or N_CUSTOM, options.seed, read_policy(Path(name)))
    if name not in POLICIES:
        raise InputError(unknown_name("augmentation policy", name, (*POLICIES, AUTO)))
    return views(name, options.views or min(N_VIEWS[name], n_distinct(name)), options.seed)


def has_averaged_features(space: Space) -> bool:
    """Whether the features of a source are means over views of an image."""
    return any(source.features is not None and parse_features(source.features).is_averaged for source in space.sources)


def _check_kind_is_used(space: Space, options: FitOptions) -> None:
    """Refuse a kind of image that nothing asks for."""
    if options.image_kind is not None and not has_averaged_features(space):
        raise InputError(
            "--image-kind says which views --augment auto and --features best take. Add one of them, or leave it out."
        )


def _policies(space: Space, options: FitOptions) -> list[str]:
    listed = _listed(options.augment, "augment")
    if AUTO not in listed:
        _check_kind_is_used(space, options)
        return listed
    if options.image_kind is None:
        raise InputError(
            "--augment auto needs to know what the images show: which changes leave their class alone cannot be seen "
            "in the pixels. Add --image-kind, or name a policy."
        )
    suited = [name for name in ("none", policy_for_kind(options.image_kind)) if name not in listed]
    return list(dict.fromkeys([*(name for name in listed if name != AUTO), *suited]))


def _listed(text: str | None, name: str) -> list[str]:
    found = ["none"] if text is None else [part.strip() for part in text.split(",")]
    if not all(found) or len(set(found)) < len(found):
        raise InputError(f"--{name} {text!r} should name each value once, separated by single commas.")
    return found
