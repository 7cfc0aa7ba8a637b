"""The check of a data set."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from PIL import Image


def test_files_are_looked_at_without_the_memory_that_torch_takes(tmp_path: Path) -> None:
    for label, level in (("dark", 40), ("light", 200)):
        (tmp_path / label).mkdir()
        for number in range(2):
            Image.new("RGB", (20, 20), (level, level, number)).save(tmp_path / label / f"{number}.png")
    program = (
        "import sys; from headstart.workflow.check import check_data; "
        "found = check_data(sys.argv[1], features=False); print(found.audit.n_images, 'torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["4", "False"]
