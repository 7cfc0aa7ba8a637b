"""What a policy's TOML file may hold, checked key by key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from headstart.errors import InputError, unknown_name

_Factor = Annotated[float, Field(ge=0.25, le=4.0, allow_inf_nan=False)]
_Factors = Annotated[list[_Factor], Field(min_length=2, max_length=2)]


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


def checked_values(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Every value of the file and the defaults of the others, ranges as pairs.

    Raises
    ------
    InputError
        For an unknown key or a value out of range, every mistake with the file and its key.
    """
    try:
        file = _PolicyFile.model_validate(content)
    except ValidationError as error:
        raise InputError("\n".join(f"{path}: {_worded(details)}" for details in error.errors())) from error
    return {name: tuple(value) if isinstance(value, list) else value for name, value in file.model_dump().items()}


def _worded(details: Any) -> str:
    key = ".".join(str(step) for step in details["loc"][:1])
    if details["type"] == "extra_forbidden":
        return unknown_name("key", key, _PolicyFile.model_fields)
    return f"key {key!r}: {details['msg']}, not {details['input']!r:.80}."
