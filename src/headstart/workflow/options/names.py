"""Names that options take, read from the files that say them: importing those would load numpy, and a shell waits.

Where a module is imported already, its own mapping is asked, with what was registered since.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

_ROOT: Final = Path(__file__).parents[2]
DEPTHS: Final = ("all", "1", "2", "3")
SCHEMES: Final = ("auto", "nested:5x4", "nested:10x4", "holdout:60/20/20")
RULES: Final = ("youden", "sensitivity=0.95", "specificity=0.95", "cost:10")


def backbone_names() -> Sequence[str]:
    """Names that ``headstart backbones`` lists."""
    from headstart.backbones.registry import ENTRIES

    return list(ENTRIES)


def selection_metrics() -> Sequence[str]:
    """Names of the metrics that candidates can be chosen by, in the order in which they are shown."""
    if "headstart.metrics.registry" in sys.modules:
        return sys.modules["headstart.metrics.registry"].selection_metrics()  # type: ignore[no-any-return]
    return [
        str(name)
        for path in sorted((_ROOT / "metrics" / "scores").glob("*.py"))
        for name, facts in _registered(path, "register_metric")
        if facts.get("usable_for_selection", True)
    ]


def policy_names() -> Sequence[str]:
    """Names of the augmentation policies, and ``auto``."""
    return [*_constant("augment/views.py", "POLICIES"), "auto"]


def balance_names() -> Sequence[str]:
    """Names of the balancing methods, without the samplers of imbalanced-learn."""
    return list(_constant("balance/registry.py", "METHODS"))


def _constant(file: str, name: str) -> Any:
    """Value of a constant that a file of headstart writes out."""
    for statement in _parsed(_ROOT / file).body:
        if isinstance(statement, ast.AnnAssign | ast.Assign) and statement.value is not None:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return _value(statement.value, file)
    raise LookupError(f"{file} writes out no {name}")


def _value(node: ast.expr, file: str) -> Any:
    """Value of an expression of literals, some named in the same file or wrapped in a call; of a mapping the keys."""
    if isinstance(node, ast.Call):
        return _value(node.args[0], file)
    if isinstance(node, ast.Name):
        return _constant(file, node.id)
    if isinstance(node, ast.Dict):
        return tuple(ast.literal_eval(key) for key in node.keys if key is not None)
    if isinstance(node, ast.Tuple):
        parts = [(part.value, True) if isinstance(part, ast.Starred) else (part, False) for part in node.elts]
        return tuple(
            item for part, spread in parts for item in (_value(part, file) if spread else [_value(part, file)])
        )
    return ast.literal_eval(node)


def _registered(path: Path, decorator: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    """First argument, and those by name that are plain values, of every use of a decorator in a file."""
    for statement in _parsed(path).body:
        for use in getattr(statement, "decorator_list", ()):
            if isinstance(use, ast.Call) and isinstance(use.func, ast.Name) and use.func.id == decorator:
                plain = {one.arg: one.value.value for one in use.keywords if isinstance(one.value, ast.Constant)}
                yield ast.literal_eval(use.args[0]), {str(name): value for name, value in plain.items()}


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
