"""All benchmarks, one after the other, so that no two share the processor. Figures go to ``benchmarks/results``."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

SCRIPTS = (
    "startup",
    "engines",
    "engine_rule",
    "decoders",
    "pipeline",
    "peers",
    "int8",
    "cache",
    "one_picture",
    "scale",
    "growth",
    "heads",
    "heads_at_once",
    "nested_peers",
    "search",
    "tuners",
    "demo",
    "elpv",
    "blocks",
    "block_defaults",
    "ensemble",
    "lesions",
    "lesions_strangers",
    "finetune_step",
    "finetune",
    "protocols",
    "explain",
    "labels",
    "near_duplicates",
    "audit",
    "audit_heldout",
    "leaks",
    "verdict",
    "imbalance",
    "augmentation",
    "normalise",
    "table_columns",
    "signals",
    "signals_ring",
    "pretrain",
    "curve",
    "conformal",
    "ordinal",
    "novelty",
    "kills",
    "fuzz",
    "bounds",
    "coverage",
    "cells_count",
    "cells_segmentation",
    "cells_assay",
    "signals_watch",
    "paper",
    "report",
)
WITH_QUICK = (
    "report",
    "paper",
    "audit",
    "audit_heldout",
    "one_picture",
    "fuzz",
    "bounds",
    "lesions",
    "lesions_strangers",
    "signals",
    "signals_ring",
    "signals_watch",
    "cells_assay",
    "cells_segmentation",
    "engines",
    "engine_rule",
    "pipeline",
    "peers",
    "int8",
    "cache",
    "scale",
    "growth",
    "heads",
    "heads_at_once",
    "nested_peers",
    "search",
    "tuners",
    "blocks",
    "block_defaults",
    "novelty",
    "ensemble",
    "finetune_step",
    "finetune",
    "protocols",
    "explain",
    "labels",
    "leaks",
    "verdict",
    "imbalance",
    "augmentation",
    "normalise",
    "table_columns",
    "pretrain",
    "curve",
    "conformal",
    "ordinal",
    "coverage",
    "cells_count",
)


def main() -> int:
    """Run the scripts named, or all; 1 when one misses what it must reach."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which of {', '.join(SCRIPTS)} [default: all]")
    parser.add_argument("--quick", action="store_true", help=f"pass --quick to {', '.join(WITH_QUICK)}")
    options = parser.parse_args()
    names = options.names or SCRIPTS
    unknown = [name for name in names if name not in SCRIPTS]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(SCRIPTS)}")
    missed = []
    for name in names:
        print(f"\n## {name}\n", flush=True)
        start = time.perf_counter()
        quick = ["--quick"] if options.quick and name in WITH_QUICK else []
        done = subprocess.run([sys.executable, str(Path(__file__).parent / f"{name}.py"), *quick], check=False)
        print(f"({time.perf_counter() - start:.0f} s)", flush=True)
        if done.returncode:
            missed.append(name)
    print(f"\nmissed: {', '.join(missed) if missed else 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
