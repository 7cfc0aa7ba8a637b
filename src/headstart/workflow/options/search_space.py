"""The search space of a fit, made of its options, and its weights looked for before anything heavy."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from headstart.backbones.feature_block import ARRAY, BEST, default_features
from headstart.backbones.registry import DEFAULT_BACKBONE, find_entry
from headstart.backbones.weights import RANDOM
from headstart.backbones.weights.local_store import weights_name
from headstart.backbones.weights.locate import find_local, find_weights
from headstart.errors import InputError, WeightsError
from headstart.heads.spec import check_order
from headstart.storage import hash_json
from headstart.study.search.builtin import built_in_space
from headstart.study.search.candidate import FeatureSourceSpec
from headstart.study.search.halving.plan import HalvingPlan
from headstart.study.search.space import Space
from headstart.study.search.toml import read_space
from headstart.workflow.options.array_alone import check_array_alone
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.training_set import has_averaged_features, requested_views, with_training_sets

_OPEN = FeatureSourceSpec()
_SILENT = {
    "clean_up": None,
    "weights": None,
    "input_size": None,
    "resize": FitOptions.resize,
    "white_level": FitOptions.white_level,
}
"""Options that a source may name too, each with the value that does not speak against it."""


def search_space(options: FitOptions) -> Space:
    """The search space that the options ask for: grid or study, sources, halving.

    Raises
    ------
    InputError
        When the study cannot be used, is too large, or says something else than the options.
    """
    sources = _with_features(_with_sources(_heads(options), options.backbones), options.feature_sets)
    space = with_training_sets(sources, options)
    check_array_alone(options, space)
    _check_views(space)
    requested_views(space, options)
    for name, silent in _SILENT.items():
        _check_agrees(space, name, getattr(options, name), silent)
    named = {source.backbone for source in space.sources}
    if options.weights not in (None, RANDOM) and len(named) > 1:
        raise InputError(
            f"--weights {options.weights}: one file of weights cannot fit {len(named)} backbones. Give a --study with "
            "a [[source]] table for each, its own weights in it."
        )
    if options.search == "all" and space.halving is not None:
        raise InputError(f"--search all, but {space.name} asks for halving. Leave one of the two out.")
    candidates = space.candidates()  # tables that overlap are refused here, before any image is read
    check_order((one.head for one in candidates), options.is_ordinal)
    return space


def _heads(options: FitOptions) -> Space:
    """The space of the study or the grid, halved where that is requested."""
    halving = HalvingPlan() if options.search == "halving" else None
    if options.study is None:
        return replace(built_in_space(options.grid or "quick", ordered=options.is_ordinal), halving=halving)
    if not isinstance(options.study, Space):
        return read_space(Path(options.study), halving=halving, ordered=options.is_ordinal)
    return options.study if options.study.halving else replace(options.study, halving=halving)


def sized_space(space: Space, options: FitOptions, n_classes: int) -> Space:
    """The space of `search_space` once the number of classes is known, which a built-in grid heeds."""
    if options.study is not None:
        return space
    built_in = built_in_space(options.grid or "quick", ordered=options.is_ordinal, n_classes=n_classes)
    return replace(space, tables=built_in.tables)


def _with_sources(space: Space, backbones: tuple[str, ...]) -> Space:
    """The space with the requested backbones, in place of a grid's own or of those that a study leaves open."""
    if not backbones or tuple(source.backbone for source in space.sources) == backbones:
        return space
    built_in = space.name.startswith("grid ")
    if not built_in and any(source.backbone is not None for source in space.sources):
        listed = ", ".join(dict.fromkeys(source.backbone or "the default" for source in space.sources))
        raise InputError(
            f"--backbone {','.join(backbones)}, but {space.name} names backbones itself ({listed}). Leave --backbone "
            "out, or `backbone` out of the [[source]] tables."
        )
    left_open = (_OPEN,) if built_in else space.sources
    return replace(space, sources=tuple(replace(source, backbone=name) for name in backbones for source in left_open))


def _with_features(space: Space, requested: tuple[str, ...]) -> Space:
    """The space with the requested features of every source; the default ones are what is left open."""
    if not requested:
        return replace(space, sources=_with_default_left_open(space.sources))
    named = [source.features for source in space.sources if source.features is not None]
    if named:
        raise InputError(
            f"--features {','.join(requested)}, but {space.name} names features itself ({named[0]}). Leave --features "
            "out, or `features` out of the [[source]] tables."
        )
    sources = tuple(replace(one, features=text) for one in space.sources for text in requested)
    return replace(space, sources=_with_default_left_open(sources))


def _with_default_left_open(sources: tuple[FeatureSourceSpec, ...]) -> tuple[FeatureSourceSpec, ...]:
    """Sources whose features are left open where all have the default ones, asked for or not; else all named."""
    named = tuple(replace(one, features=one.features or default_features(one.backbone)) for one in sources)
    if all(one.features == default_features(one.backbone) for one in named):
        return tuple(replace(one, features=None) for one in named)
    return named


def _check_views(space: Space) -> None:
    """Refuse views to be trained on where features are means over views already."""
    if has_averaged_features(space):
        policies = [one.augment for one in space.training_sets if one.augment != "none"]
        if policies:
            raise InputError(
                f"Features {BEST!r} are the mean over mirrored and turned views of an image, so they have no views to "
                f"train on. Leave --augment {policies[0]} out, or choose the features multi."
            )


def _check_agrees(space: Space, name: str, requested: Any, silent: Any) -> None:
    """An option must not contradict what the sources of a study name themselves."""
    named = [getattr(source, name) for source in space.sources]
    others = [value for value in named if value not in (None, requested)]
    if requested != silent and others:
        flag = f"--{name.replace('_', '-')}"
        raise InputError(
            f"{flag} {requested}, but {space.name} says {name} = {others[0]} of a source itself. Leave one of the two "
            "out."
        )


def source_options(options: FitOptions, source: FeatureSourceSpec) -> FitOptions:
    """The options of one source alone: what it names itself, and the options where it leaves that open."""
    found = {name: getattr(source, name) for name in (*_SILENT, "features")}
    named = {name: value for name, value in found.items() if value is not None}
    open_ = {"backbone": source.backbone, "features": None, "grid": None, "study": None, "search": None}
    return replace(options, **(open_ | named))


def space_identity(space: Space, options: FitOptions) -> dict[str, Any]:
    """The parts of a space that decide the results, without its sources: their features tell those apart."""
    tables = [[table.kind, [[name, list(values)] for name, values in table.values]] for table in space.tables]
    sample = None if space.sample is None else [space.sample.n, space.sample.seed]
    plan = space.halving
    halving = None if plan is None else [plan.keep, list(plan.folds), plan.epochs, plan.least]
    return {
        "candidates": space.count(),
        "content": hash_json([tables, [one.to_json() for one in space.training_sets], sample, halving]),
        "sources": len(space.sources),
        "views": hash_json(requested_views(space, options).to_json()),
    }


def check_weights(options: FitOptions, space: Space) -> None:
    """Look for the weights of every source on this machine, as far as they will not be downloaded.

    Raises
    ------
    InputError
        For a backbone that is unknown.
    WeightsError
        When weights are nowhere to be had; several at once are named together.
    """
    missing = {}
    for source in space.sources:
        one = source_options(options, source)
        if one.features == ARRAY:
            continue
        entry = find_entry(weights_name(one.backbone or DEFAULT_BACKBONE))
        if one.weights is None and (one.offline or one.backbone is None) and find_local(entry) is None:
            missing[entry.name] = entry
    if len(missing) == 1:
        find_weights(next(iter(missing.values())), offline=True)  # says the ways there are
    if missing:
        raise WeightsError(_missing(list(missing), len({source.backbone for source in space.sources})))


def _missing(names: list[str], n_backbones: int) -> str:
    listed = shlex.join(names)
    return (
        f"No pretrained weights for {len(names)} of {n_backbones} backbones were found on this machine: "
        f"{', '.join(names)}. Ways to get them:\n"
        f"  - carry them here: `headstart backbones fetch {listed} --to DIR` where there is a network, then "
        "`headstart backbones add DIR` here\n"
        f"  - on a connected machine, name them (--backbone {','.join(names)}) without --offline, so that they are "
        "downloaded\n"
        "  - name files of weights in the [[source]] tables of a --study\n"
        "  - search on other backbones: --backbone NAME,NAME\n"
        "Random weights are taken only with --weights random (a baseline, not transfer learning)."
    )
