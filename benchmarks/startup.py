"""How quickly the command line answers, and what an import of headstart drags in."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from common import headstart, median, table, write_results

LIMIT_S = 0.5
HEAVY = ("torch", "sklearn", "matplotlib", "timm", "pyarrow", "scipy")


def main() -> int:
    """Median of 11 starts of ``headstart --help``; 1 when it is too slow or the import is heavy."""
    with tempfile.TemporaryDirectory() as name:
        seconds = median([headstart("--help", cache=Path(name))[0] for _ in range(11)])
    code = f"import sys, headstart; print([name for name in {HEAVY!r} if name in sys.modules])"
    heavy = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    write_results("startup", {"help_seconds": seconds, "heavy_imports": heavy})
    print(
        table(
            ["what", "measured", "limit"], [["headstart --help, s", seconds, LIMIT_S], ["heavy imports", heavy, "[]"]]
        )
    )
    return 0 if seconds < LIMIT_S and heavy == "[]" else 1


if __name__ == "__main__":
    raise SystemExit(main())
