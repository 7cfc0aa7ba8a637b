"""How quickly the command line answers, and what an import of headstart drags in."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from common import headstart, median, table, write_results

LIMIT_S = 0.5
LIST_LIMIT_S = 2.0
HEAVY = ("torch", "sklearn", "matplotlib", "timm", "pyarrow", "scipy")


def main() -> int:
    """Median of 11 starts; 1 when one is too slow or the import is heavy."""
    with tempfile.TemporaryDirectory() as name:
        seconds = median([headstart("--help", cache=Path(name))[0] for _ in range(11)])
        listed = median([headstart("backbones", cache=Path(name))[0] for _ in range(11)])
    code = f"import sys, headstart; print([name for name in {HEAVY!r} if name in sys.modules])"
    heavy = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    write_results("startup", {"help_seconds": seconds, "backbones_seconds": listed, "heavy_imports": heavy})
    rows = [
        ["headstart --help, s", seconds, LIMIT_S],
        ["headstart backbones, s", listed, LIST_LIMIT_S],
        ["heavy imports", heavy, "[]"],
    ]
    print(table(["what", "measured", "limit"], rows))
    return 0 if seconds < LIMIT_S and listed < LIST_LIMIT_S and heavy == "[]" else 1


if __name__ == "__main__":
    raise SystemExit(main())
