"""State of a watched stream in one file, replaced whole: what a restart goes on from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from headstart.errors import DataError
from headstart.storage import file_bytes, hash_json, parsed_json, replacing, storage_error

FORMAT: Final = 2


def write_state(path: Path, identity: str, state: Mapping[str, Any]) -> None:
    """Replace the state; a reader finds the old one or the new one, never a part.

    Parameters
    ----------
    path : Path
    identity : str
        Hash of what the state belongs to: the model and the way it is watched with.
    state : Mapping
        Plain values.

    Raises
    ------
    StorageError
        When the disk refuses.
    """
    content = {"format": FORMAT, "identity": identity, "state": dict(state)}
    with replacing(path, durable=False) as handle:  # it carries its own hash, and a kill loses no written file
        handle.write(json.dumps(content | {"sha256": hash_json(content)}).encode())


def read_state(path: Path, identity: str) -> dict[str, Any] | None:
    """State that `write_state` wrote; None where there is none.

    Raises
    ------
    DataError
        When it is damaged or belongs to another model.
    """
    if not path.exists():
        return None
    remedy = "Name another file with --state, or delete it to begin anew."
    try:
        content = parsed_json(file_bytes(path))
        signed = {name: value for name, value in content.items() if name != "sha256"}
        whole = content["sha256"] == hash_json(signed) and isinstance(content["state"], dict)
    except OSError as error:
        raise storage_error(path, error, action="read") from error
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole or content["format"] != FORMAT:
        raise DataError(f"{path} holds no state of a watched stream, or a damaged one. {remedy}")
    if content["identity"] != identity:
        raise DataError(f"{path} is the state of another model, stream or setting of alarms. {remedy}")
    return dict(content["state"])
