"""The JSON schema in the docs is the one of the models."""

from __future__ import annotations

import json
from pathlib import Path

from headstart.results import RunResults
from headstart.storage import json_bytes

SCHEMA = Path(__file__).parents[2] / "docs" / "results.schema.json"


def test_the_schema_in_the_docs_is_current() -> None:
    made = RunResults.model_json_schema()
    assert SCHEMA.read_bytes() == json_bytes(made), (
        "docs/results.schema.json is out of date; write it again: "
        "RunResults.model_json_schema() by headstart.storage.write_json"
    )


def test_the_schema_forbids_what_is_unknown_and_names_what_is_needed() -> None:
    schema = json.loads(SCHEMA.read_text())
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == set(RunResults.model_fields) - {
        *("table", "novelty", "ensemble", "ordinal", "provisional")
    }
    for part in schema["$defs"].values():
        assert part["additionalProperties"] is False and part["required"]
