"""Which networks a fit fine-tunes: options -> specifications."""

from __future__ import annotations

from typing import Any

from headstart.errors import InputError
from headstart.finetuning import FROM_SCRATCH, FineTuneSpec
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.search import FINE_TUNE, SCRATCH


def requested_specs(options: FitOptions) -> tuple[FineTuneSpec, ...]:
    """The fine-tuning candidates that the options request, with ``unlock`` 0 where its depth is left open; may be none.

    Raises
    ------
    InputError
        For an unknown setting, or settings of a fine-tuning that is not requested.
    """
    strategies = [name.strip() for name in options.strategy.split(",")]
    if FINE_TUNE not in strategies:
        named: dict[str, Any] = {"--unlock": options.unlock, "--fine-tuning": options.fine_tuning}
        named |= {} if SCRATCH in strategies else {"--budget": options.budget}
        given = [name for name, value in named.items() if value is not None]
        if given:
            raise InputError(f"{given[0]} belongs to fine-tuning. Add --strategy fine-tune, or leave it out.")
        return (FROM_SCRATCH,) if SCRATCH in strategies else ()
    settings = parse_settings(options.fine_tuning)
    depths = [None] if options.unlock is None else [_depth(part) for part in str(options.unlock).split(",")]
    if len(set(depths)) < len(depths):
        raise InputError(f"--unlock {options.unlock} names a depth twice.")
    found = [FineTuneSpec(**{**settings, **({} if depth is None else {"unlock": depth})}) for depth in depths]
    has_room = options.budget is not None and options.baselines  # training from scratch is trimmed first
    scratch = SCRATCH in strategies or has_room
    return (*found, FROM_SCRATCH) if scratch else tuple(found)


def parse_settings(given: Any) -> dict[str, Any]:
    """Settings of a fine-tuning from ``epochs=20,mix=mixup`` or a mapping.

    Raises
    ------
    InputError
        For what is no ``name=value``, an unknown name or a value out of range.

    Examples
    --------
    >>> parse_settings("epochs=20, learning_rate=1e-3,mix=mixup")
    {'epochs': 20, 'learning_rate': 0.001, 'mix': 'mixup'}
    """
    if given is None:
        return {}
    if isinstance(given, str):
        pairs = [part.partition("=") for part in given.split(",")]
        if not all(name.strip() and sign and value.strip() for name, sign, value in pairs):
            raise InputError(f"--fine-tuning {given!r} should read name=value,name=value, such as epochs=20,mix=mixup.")
        names = [name.strip() for name, _, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"--fine-tuning {given!r} gives {twice} twice. Give it once.")
        given = {name.strip(): _value(value.strip()) for name, _, value in pairs}
    settings = dict(given)
    if "unlock" in settings:
        raise InputError("The depth of a fine-tuning is given by --unlock, not among its settings.")
    FineTuneSpec.from_json(settings)
    return settings


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _depth(text: str) -> int | str:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text
