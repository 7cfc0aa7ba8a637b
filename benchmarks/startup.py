"""How quickly the command line answers and a shell completes, and what an import of headstart drags in."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import headstart, median, table, write_results

N_STARTS = 11
HELP_LIMIT_S = 0.2
COMPLETION_LIMIT_S = 0.15
LIST_LIMIT_S = 2.0
TYPED = ("fit --bac", "fit --backbone vgg19,res", "fit --metric r", "fit --balance s", "fit --augment d", "backbones s")
HEAVY = ("torch", "sklearn", "matplotlib", "timm", "pyarrow", "scipy")


def completion_seconds(typed: str) -> float:
    """Wall seconds until a shell that asks for completions has its answer."""
    words = f"headstart {typed}"
    asked = {"_HEADSTART_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    code = "import sys; sys.argv[0] = 'headstart'; from headstart.cli import main; main()"
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - start
    if not done.stdout.startswith("plain,"):
        raise SystemExit(f"nothing was completed after {words!r}:\n{done.stderr}")
    return seconds


def main() -> int:
    """Medians of 11 starts; 1 when one is too slow or the import is heavy."""
    # An installed package has its bytecode; where Python may not write it, every start would time the compiler.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as name:
        seconds = median([headstart("--help", cache=Path(name))[0] for _ in range(N_STARTS)])
        listed = median([headstart("backbones", cache=Path(name))[0] for _ in range(N_STARTS)])
    completed = {typed: median([completion_seconds(typed) for _ in range(N_STARTS)]) for typed in TYPED}
    code = f"import sys, headstart; print([name for name in {HEAVY!r} if name in sys.modules])"
    heavy = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    found = {"help_seconds": seconds, "backbones_seconds": listed, "completion_seconds": completed}
    write_results("startup", {**found, "heavy_imports": heavy})
    rows = [
        ["headstart --help, s", seconds, HELP_LIMIT_S],
        ["headstart backbones, s", listed, LIST_LIMIT_S],
        *([f"completion of `{typed}`, s", took, COMPLETION_LIMIT_S] for typed, took in completed.items()),
        ["heavy imports", heavy, "[]"],
    ]
    print(table(["what", "measured", "limit"], rows))
    quick = seconds <= HELP_LIMIT_S and listed < LIST_LIMIT_S and max(completed.values()) <= COMPLETION_LIMIT_S
    return 0 if quick and heavy == "[]" else 1


if __name__ == "__main__":
    raise SystemExit(main())
