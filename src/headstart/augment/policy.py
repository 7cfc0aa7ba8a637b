"""Policies of one's own, from a TOML file, and the policy that suits a kind of image."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from headstart.augment.change import Ranges
from headstart.errors import InputError, unknown_name

_Factor = Annotated[float, Field(ge=0.25, le=4.0, allow_inf_nan=False)]
_Factors = Annotated[list[_Factor], Field(min_length=2, max_length=2)]

STILL: Final = Ranges(0.0, (1.0, 1.0), 0.0, (1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0), 0.0, 0.0)
"""Ranges that change nothing: where a policy of one's own starts from."""

KINDS: Final = MappingProxyType(
    {
        "micrograph": "dihedral",
        "dermoscopy": "dihedral",
        "aerial": "dihedral",
        "solar-cell": "flips",
        "photograph": "geometric",
        "face": "photometric",
        "signal": "none",
        "digit": "none",
        "document": "none",
    }
)
"""Policy for each kind of image: only changes that surely leave the class as it is.

A micrograph, a lesion or a field seen from above has no upper side; a solar cell has one (its busbars run one way); the
picture of a signal loses its meaning when time runs backwards, a digit or a letter becomes another.
"""


def policy_for_kind(kind: str) -> str:
    """Name of the policy that suits a kind of image.

    Raises
    ------
    InputError
        For an unknown kind.

    Examples
    --------
    >>> policy_for_kind("micrograph")
    'dihedral'
    """
    if kind not in KINDS:
        raise InputError(unknown_name("kind of image", kind, KINDS))
    return KINDS[kind]


@dataclass(frozen=True)
class Custom:
    """A policy of one's own.

    Attributes
    ----------
    symmetries : {"none", "flips", "dihedral"}
        Views go through the exact symmetries in turn, then through the ranges.
    ranges : Ranges
        Where nothing is said nothing is changed.
    """

    symmetries: str = "none"
    ranges: Ranges = STILL

    @property
    def moves(self) -> bool:
        """Whether the geometry changes beside the symmetries."""
        return any(getattr(self.ranges, name) != getattr(STILL, name) for name in ("rotation_deg", "zoom", "shift"))

    @property
    def tones(self) -> bool:
        """Whether colours, sharpness or noise change."""
        geometric = ("rotation_deg", "zoom", "shift")
        named = [item.name for item in fields(Ranges) if item.name not in geometric]
        return any(getattr(self.ranges, name) != getattr(STILL, name) for name in named)


class _PolicyFile(BaseModel):
    """What a policy's TOML file may hold."""

    model_config = ConfigDict(extra="forbid", strict=True)
    symmetries: Literal["none", "flips", "dihedral"] = "none"
    rotation_deg: Annotated[float, Field(ge=0, le=180, allow_inf_nan=False)] = 0.0
    zoom: _Factors = [1.0, 1.0]
    shift: Annotated[float, Field(ge=0, le=0.5, allow_inf_nan=False)] = 0.0
    gamma: _Factors = [1.0, 1.0]
    brightness: _Factors = [1.0, 1.0]
    contrast: _Factors = [1.0, 1.0]
    saturation: _Factors = [1.0, 1.0]
    tint: _Factors = [1.0, 1.0]
    blur_px: Annotated[float, Field(ge=0, le=20, allow_inf_nan=False)] = 0.0
    noise: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = 0.0


def read_policy(path: Path) -> Custom:
    """A policy from a TOML file; docs/views.md lists its keys.

    Raises
    ------
    InputError
        When the file is missing or no TOML, a key is unknown, a value out of range, or nothing would be changed.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no valid TOML: {error}. docs/views.md shows an example.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}). Give the path of a policy's TOML file.") from error
    try:
        file = _PolicyFile.model_validate(content)
    except ValidationError as error:
        raise InputError("\n".join(f"{path}: {_worded(details)}" for details in error.errors())) from error
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in file.model_dump().items()}
    crossed = [name for name, value in values.items() if isinstance(value, tuple) and value[0] > value[1]]
    if crossed:
        raise InputError(f"{path}: key {crossed[0]!r} must go from the smaller to the larger value.")
    made = custom_policy(values)
    if made == Custom():
        raise InputError(f"{path} changes nothing. Name symmetries or at least one range, or use the policy 'none'.")
    return made


def custom_policy(values: dict[str, Any]) -> Custom:
    """The policy of these values: ``symmetries`` and the attributes of `Ranges`."""
    ranges: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if name != "symmetries"
    }
    return Custom(str(values["symmetries"]), Ranges(**ranges))


def _worded(details: Any) -> str:
    key = ".".join(str(step) for step in details["loc"][:1])
    if details["type"] == "extra_forbidden":
        return unknown_name("key", key, _PolicyFile.model_fields)
    return f"key {key!r}: {details['msg']}, not {details['input']!r:.80}."
