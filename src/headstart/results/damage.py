"""How a damaged file of a run is refused: the file, the field and the remedy, in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from headstart.errors import RunError
from headstart.storage import file_bytes

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_FIT: Final = "headstart fit DATA"
_EXPECTED: Final = {
    "bool_type": "true or false",
    "dict_type": "an object",
    "float_type": "a number",
    "int_type": "a whole number",
    "model_type": "an object",
    "string_type": "text",
    "tuple_type": "a list",
    "model_attributes_type": "an object",
    "finite_number": "a finite number",
}
_SAID: Final = {
    "extra_forbidden": "is nothing that this format knows",
    "too_short": "has too few entries",
}
_FOUND: Final = {
    bool: "true or false",
    dict: "an object",
    float: "a number",
    int: "a number",
    list: "a list",
    str: "text",
    type(None): "null",
}


def damaged(path: Path, reason: str, *, command: str = _FIT) -> NoReturn:
    """Raise RunError naming the file, what is wrong with it and the remedy."""
    first = "Remove it and run" if path.exists() else "Run"
    raise RunError(
        f"{path} cannot be used: {reason}. {first} `{command} -o {_run_folder(path)}` again with the same options; "
        "a run that was interrupted goes on where it stopped."
    )


def _run_folder(path: Path) -> Path:
    """The run that a file belongs to, which may lie in a folder of it."""
    return path.parent.parent if (path.parent.parent / "run.json").is_file() else path.parent


def read_text(path: Path, *, command: str = _FIT) -> str:
    """Content of a file of the run; RunError when it is missing or cannot be read."""
    try:
        return file_bytes(path).decode()
    except FileNotFoundError:
        damaged(path, "the file is missing, so the run is incomplete", command=command)
    except UnicodeDecodeError:
        damaged(path, "it is not UTF-8 text", command=command)
    except OSError as error:
        damaged(path, f"it cannot be read ({error.strerror})", command=command)


def first_problem(error: ValidationError, content: Any) -> str:
    """The first thing that a model refuses in a parsed file: where, what was expected, what is there."""
    problem = error.errors()[0]
    where, value = _place(problem, content)
    kind, context = problem["type"], problem.get("ctx", {})
    missing = {
        "missing": problem["loc"][-1] if problem["loc"] else "",
        "missing_key": context.get("name"),
        "union_tag_not_found": "kind",
    }
    if kind in missing:
        return f"{_inside(where, missing[kind])} is missing"
    if kind == "value_error":
        return f"{where}: {context['error']}".removeprefix(": ")
    found = _FOUND.get(type(value), "something else")
    if kind in _EXPECTED:
        return f"{where or 'the file'} should be {_EXPECTED[kind]} but is {found}"
    if kind == "too_short" and not value:
        return f"{where} is empty"
    return f"{where} {_SAID[kind]}" if kind in _SAID else f"{where}: {problem['msg']} It is {value!r:.60}."


def _place(problem: ErrorDetails, content: Any) -> tuple[str, Any]:
    """Address and value of what is refused; names of alternatives of a union, which pydantic mixes in, are left out."""
    where, value = "", content
    for step in problem["loc"]:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            continue
        where = _inside(where, step)
    return where, value


def _inside(where: str, step: object) -> str:
    return f"{where}[{step}]" if isinstance(step, int) else f"{where}.{step}".lstrip(".")
