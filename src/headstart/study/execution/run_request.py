"""Request that a run was begun with: the command line, and the file of options beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class RunRequest:
    """Request in the user's words; what it came to is the identity of the run.

    Attributes
    ----------
    command_line : tuple of str
        Its words; empty for a call from Python.
    config : mapping
        Content of the file of options, without its path; empty where there was none.
    """

    command_line: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values; a date of the file as its text, bytes of a path that are no UTF-8 spelled out."""
        words = [word.encode(errors="backslashreplace").decode() for word in self.command_line]
        return {"command_line": words, "config": _plain(self.config)}

    @classmethod
    def from_json(cls, value: Any) -> RunRequest:
        """The request that `to_json` wrote.

        Raises
        ------
        ValueError
            Naming the field that is wrong.
        """
        if not isinstance(value, dict):
            raise ValueError("request should be an object")
        words, config = value.get("command_line"), value.get("config")
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValueError("request.command_line should be a list of text")
        if not isinstance(config, dict):
            raise ValueError("request.config should be an object")
        return cls(tuple(words), config)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int | float | bool) else str(value)
