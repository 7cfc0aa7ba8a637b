"""The content of ``study.toml``: pydantic models made from the heads' own settings, and their JSON schema."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, Union

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, WithJsonSchema
from pydantic import create_model as create
from pydantic_core import PydanticCustomError

from headstart.heads.grids import GRID_NAMES
from headstart.heads.settings import Setting
from headstart.heads.spec import KINDS, HeadKind, searchable_kinds
from headstart.storage import json_bytes

_STRICT = ConfigDict(extra="forbid", strict=True)


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _different(values: list[Any]) -> list[Any]:
    for place, value in enumerate(values):
        if value in values[:place]:
            raise PydanticCustomError("twice", "lists {value} twice; name each value once", {"value": repr(value)})
    return values


def _listable(item: Any) -> Any:
    """Type of one value or a list of different ones; always a list once read."""
    one = TypeAdapter(item).json_schema()
    many = {"type": "array", "items": one, "minItems": 1, "uniqueItems": True}
    schema = WithJsonSchema({"anyOf": [one, many]})
    return Annotated[list[item], BeforeValidator(_as_list), Field(min_length=1), AfterValidator(_different), schema]


def _value_type(setting: Setting) -> Any:
    """Type of one value of a head's setting."""
    if setting.choices:
        return Literal[setting.choices]
    whole = isinstance(setting.default, int)
    bounds: dict[str, Any] = {"ge" if setting.may_be_low else "gt": int(setting.low) if whole else setting.low}
    if math.isfinite(setting.high):
        bounds["lt"] = setting.high
    if not whole:
        bounds["allow_inf_nan"] = False
    number: Any = Annotated[int if whole else float, Field(strict=True, **bounds)]
    word_or_number: Any = Union[(Literal[setting.word], number)] if setting.word else number  # noqa: UP007
    return word_or_number


@cache
def _head_model(kind: HeadKind) -> type[BaseModel]:
    fields: dict[str, Any] = {"kind": (Literal[kind.name], Field(description="Kind of head."))}
    for name, setting in kind.settings.items():
        text = f"{setting.expected}; {setting.default} where not given.".capitalize()
        fields[name] = (_listable(_value_type(setting)) | None, Field(default=None, description=text))
    model: type[BaseModel] = create(
        f"{kind.name.capitalize()}Heads",
        __config__=_STRICT,
        __doc__=f"Heads of kind {kind.name}: every combination of the values listed.",
        **fields,
    )
    return model


_Text: Any = _listable(Annotated[str, Field(min_length=1)])


class SourceTable(BaseModel):
    """Sources of features: every combination of the values listed."""

    model_config = _STRICT
    backbone: _Text | None = Field(default=None, description="Names that `headstart backbones` lists, or timm's.")
    weights: Annotated[str, Field(min_length=1)] | None = Field(default=None, description="File of weights, or random.")
    input_size: _listable(Annotated[int, Field(ge=16, le=4096)]) | None = Field(  # type: ignore[valid-type]
        default=None, description="Side of the square input in pixels."
    )
    resize: _listable(Literal["squash", "crop", "pad"]) | None = Field(  # type: ignore[valid-type]
        default=None, description="How an image is brought to a square."
    )
    white_level: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="The 16-bit value shown as white."
    )
    clean_up: _Text | None = Field(
        default=None,
        description="Clean-up of dermoscopic images: none, or crop, hair, corners, rulers, grey joined by +.",
    )
    features: _Text | None = Field(
        default=None,
        description="last, multi, best, descriptors, lesion or STAGE:POOLING, joined by +; or array; docs/blocks.md.",
    )


class SampleTable(BaseModel):
    """Try a random part of the space only."""

    model_config = _STRICT
    n: Annotated[int, Field(ge=1)] = Field(description="Candidates to draw.")
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0


class HalvingTable(BaseModel):
    """Drop the weaker candidates early."""

    model_config = _STRICT
    keep: Annotated[float, Field(gt=0, lt=1)] = Field(default=1 / 3, description="Share that passes every rung.")
    folds: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] = Field(
        default=[1, 1], description="Inner folds seen after each rung but the last, which sees all."
    )
    epochs: Annotated[int, Field(ge=1)] | None = Field(default=None, description="Epochs of the first rung.")
    least: Annotated[int, Field(ge=1)] = Field(default=3, description="Trajectories of a kind that always pass.")


class TrainingTable(BaseModel):
    """Balancing and augmentation of the training rows: every combination of the values listed that makes sense."""

    model_config = _STRICT
    balance: _Text = Field(default=["none"], description="Methods for uneven classes; docs/balance.md lists them.")
    augment: _Text = Field(default=["none"], description="Policies of views; docs/views.md lists them.")
    tta: _listable(bool) = Field(  # type: ignore[valid-type]
        default=[False], description="Predict the mean over the views of an image."
    )


class StudyFile(BaseModel):
    """The search space of a study."""

    model_config = ConfigDict(extra="forbid", strict=True, title="headstart study.toml")
    grid: Literal[GRID_NAMES] | None = Field(  # type: ignore[valid-type]
        default=None, description="A built-in grid of heads, beside the tables of heads."
    )
    source: list[SourceTable] = Field(default=[], description="Sources of features; none: that of the command line.")
    head: list[Any] = Field(default=[], description="Heads to try.")
    training: TrainingTable | None = None
    sample: SampleTable | None = None
    halving: HalvingTable | None = None


def study_file() -> type[StudyFile]:
    """Model of the file, with a table for every kind of head that there is."""
    return _study_file(tuple(KINDS[name] for name in searchable_kinds()))


@cache
def _study_file(searched: tuple[HeadKind, ...]) -> type[StudyFile]:
    models = tuple(_head_model(kind) for kind in searched)
    tables: Any = Annotated[Union[models], Field(discriminator="kind")]  # noqa: UP007 (made at run time)
    heads: Any = (list[tables], Field(default=[], description="Heads to try."))
    model: type[StudyFile] = create("StudyFile", __base__=StudyFile, __doc__=StudyFile.__doc__, head=heads)
    return model


def schema_bytes() -> bytes:
    """The JSON schema of ``study.toml``, with every registered kind of head."""
    return json_bytes({"$schema": "https://json-schema.org/draft/2020-12/schema", **study_file().model_json_schema()})


def keys_of(table: str, kind: str = "") -> list[str]:
    """Keys that a table of the file may hold; "" is the file itself, and heads are asked for by their kind."""
    models: Mapping[str, type[BaseModel]] = {
        "": study_file(),
        "source": SourceTable,
        "training": TrainingTable,
        "sample": SampleTable,
        "halving": HalvingTable,
    }
    model = _head_model(KINDS[kind]) if table == "head" else models[table]
    return list(model.model_fields)
