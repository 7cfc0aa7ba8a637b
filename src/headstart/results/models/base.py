"""The base of all documents of a run: strict, frozen models, and the kinds of numbers they hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


class Part(BaseModel):
    """A part of a document: nothing unknown, nothing missing, no number that is not finite, never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return self.model_dump(mode="json")


class SparePart(Part):
    """A part some of whose fields are written only where they say something.

    Attributes
    ----------
    left_out : tuple of str
        Fields that are left out of the document where they are at their default.
    """

    left_out: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _without_defaults(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        silent = {name for name in self.left_out if getattr(self, name) == fields[name].default}
        return {name: value for name, value in serialise(self).items() if name not in silent}


def _rising(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise ValueError("its lower end lies above its upper end")
    return ends


Count: TypeAlias = Annotated[int, Field(ge=0)]
"""A number of things."""
Positive: TypeAlias = Annotated[int, Field(ge=1)]
"""A number of things of which there is one at least."""
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
"""A part of a whole, a probability, or a p value."""
Mass: TypeAlias = Annotated[float, Field(ge=0)]
"""A weighted count, a length of time or a speed."""
Sha256: TypeAlias = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""A hash in hexadecimal."""
Ends: TypeAlias = Annotated[tuple[float, float], AfterValidator(_rising)]
"""Both ends of an interval, the lower one first."""
Scalar: TypeAlias = bool | int | float | str | None
"""A setting of a head or of an option."""
Matrix: TypeAlias = tuple[tuple[Mass, ...], ...]
"""A table of weighted counts, row after row."""


class Holding:
    """Annotation of a mapping that must hold some keys, and may hold more.

    Parameters
    ----------
    *names : str

    Examples
    --------
    >>> from typing import Annotated
    >>> from pydantic import TypeAdapter
    >>> TypeAdapter(Annotated[dict[str, int], Holding("accuracy")]).validate_python({"accuracy": 1})
    {'accuracy': 1}
    """

    def __init__(self, *names: str) -> None:
        self.names = names

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The mapping's own checks, then that of its keys."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The mapping's own schema with its keys."""
        return {**handler(schema), "required": list(self.names)}

    def _check(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        for name in self.names:
            if name not in value:
                raise PydanticCustomError("missing_key", "{name} is missing", {"name": name})
        return value
