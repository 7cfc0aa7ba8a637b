"""The demonstration: seconds with nothing cached and with features cached, and whether both give the same bytes."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from common import headstart, table, write_results

COLD_S, WARM_S = 360, 60


def main() -> int:
    """Run the demonstration twice into two folders; 1 when a limit or sameness is missed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cold, _ = headstart("demo", "-q", "-o", str(folder / "cold"), cache=folder / "cache")
        warm, _ = headstart("demo", "-q", "-o", str(folder / "warm"), cache=folder / "cache")
        same = {
            file: (folder / "cold" / file).read_bytes() == (folder / "warm" / file).read_bytes()
            for file in ("results.json", "predictions.csv", "split.json")
        }
        results = json.loads((folder / "warm" / "results.json").read_text(encoding="utf-8"))
        steps = [json.loads((folder / run / "timings.json").read_text(encoding="utf-8")) for run in ("cold", "warm")]
    write_results(
        "demo",
        {
            "cold_seconds": round(cold, 1),
            "warm_seconds": round(warm, 1),
            "cold_steps": steps[0]["seconds"],
            "warm_steps": steps[1]["seconds"],
            "identical": same,
            "headline": results["headline"],
        },
    )
    rows = [["nothing cached", f"{cold:.1f}", COLD_S], ["features cached", f"{warm:.1f}", WARM_S]]
    print(table(["headstart demo", "seconds", "limit"], rows))
    print("steps, cold:", steps[0]["seconds"])
    print("steps, warm:", steps[1]["seconds"])
    print("identical files:", same)
    print(results["headline"]["text"])
    return 0 if cold <= COLD_S and warm <= WARM_S and same["results.json"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
