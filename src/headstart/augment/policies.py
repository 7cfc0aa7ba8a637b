"""Augmentation policies that a user writes in a TOML file, and the policy that suits a kind of image."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from headstart.augment.transforms import Ranges
from headstart.errors import InputError, unknown_name

if TYPE_CHECKING:
    from pydantic import BaseModel

NO_CHANGE: Final = Ranges(0.0, (1.0, 1.0), 0.0, (1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0), 0.0, 0.0)
"""Ranges that change nothing: where a user's policy starts from."""

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
    """Augmentation policy that a user wrote.

    Attributes
    ----------
    symmetries : {"none", "flips", "dihedral"}
        Views go through the exact symmetries in turn, then through the ranges.
    ranges : Ranges
        Ranges of the random changes; those left out change nothing.
    """

    symmetries: str = "none"
    ranges: Ranges = NO_CHANGE

    @property
    def is_geometric(self) -> bool:
        """Whether the geometry changes beside the symmetries."""
        return any(getattr(self.ranges, name) != getattr(NO_CHANGE, name) for name in ("rotation_deg", "zoom", "shift"))

    @property
    def is_photometric(self) -> bool:
        """Whether colours, sharpness or noise change."""
        geometric = ("rotation_deg", "zoom", "shift")
        named = [item.name for item in fields(Ranges) if item.name not in geometric]
        return any(getattr(self.ranges, name) != getattr(NO_CHANGE, name) for name in named)


def read_policy(path: Path) -> Custom:
    """A policy from a TOML file; docs/views.md lists its keys.

    Raises
    ------
    InputError
        When the file is missing or no TOML, a key is unknown, a value out of range, or nothing would be changed.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits and deep nesting among them
        raise InputError(f"{path} is no valid TOML: {error}. docs/views.md shows an example.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}). Give the path of a policy's TOML file.") from error
    values = _checked_values(path, content)
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


def _checked_values(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Every value of the file and the defaults of the others, ranges as pairs; mistakes are reported by key."""
    from pydantic import ValidationError

    try:
        file = _file_model().model_validate(content)
    except ValidationError as error:
        raise InputError("\n".join(f"{path}: {_mistake(details)}" for details in error.errors())) from error
    return {name: tuple(value) if isinstance(value, list) else value for name, value in file.model_dump().items()}


def _mistake(details: Any) -> str:
    key = ".".join(str(step) for step in details["loc"][:1])
    if details["type"] == "extra_forbidden":
        return unknown_name("key", key, _file_model().model_fields)
    return f"key {key!r}: {details['msg']}, not {details['input']!r:.80}."


@functools.cache
def _file_model() -> type[BaseModel]:
    """Keys of a policy's file, their limits and defaults."""
    from pydantic import ConfigDict, Field, create_model  # takes a tenth of a second, so only where a file is read

    def up_to(limit: float) -> Any:
        return (Annotated[float, Field(ge=0, le=limit, allow_inf_nan=False)], 0.0)

    one_factor: Any = Annotated[float, Field(ge=0.25, le=4.0, allow_inf_nan=False)]
    two_factors: Any = (Annotated[list[one_factor], Field(min_length=2, max_length=2)], [1.0, 1.0])
    keys: dict[str, Any] = {
        "symmetries": (Literal["none", "flips", "dihedral"], "none"),
        "rotation_deg": up_to(180),
        "zoom": two_factors,
        "shift": up_to(0.5),
        "gamma": two_factors,
        "brightness": two_factors,
        "contrast": two_factors,
        "saturation": two_factors,
        "tint": two_factors,
        "blur_px": up_to(20),
        "noise": up_to(100),
    }
    return create_model("PolicyFile", __config__=ConfigDict(extra="forbid", strict=True), **keys)
