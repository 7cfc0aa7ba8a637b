"""Data that bring a split along in folders, from `check` to the report; one class alone."""

from __future__ import annotations

from pathlib import Path

import helpers
import pytest
from click.testing import CliRunner

import headstart
from headstart.cli import main
from headstart.errors import DataError, SplitError
from headstart.workflow.fit import estimate_fit
from headstart.workflow.options.data import DataSource


@pytest.fixture(scope="module")
def split_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("split") / "data"
    for seed, (part, n_images) in enumerate({"train": 24, "val": 12, "test": 12}.items()):
        helpers.write_folders(root / part, n_images, seed=seed)
    return root


def test_a_fit_is_judged_by_the_test_folder(split_data: Path, tmp_path: Path, empty_figures: None) -> None:
    run = headstart.fit(split_data, tmp_path / "run", helpers.cheap_options(split="nested:5x4"))
    predicted = {line.split(",")[0] for line in (run.folder / "predictions.csv").read_text().splitlines()[1:]}
    assert {name.split("/")[0] for name in predicted} == {"test"}
    assert len(predicted) == 12
    assert any("so they are the split: 24 images train, 12 (validation) choose" in one for one in run.results.warnings)
    assert run.results.protocol.scheme == "holdout:50.00/25.00/25.00"
    report = run.report.read_text()
    assert "in a partition whose test images the data name" in report
    assert "After training on 50 % of the images" in report
    assert "The split came with the data and no groups were given, so only copies were looked for" in report
    assert "no groups were given, so the split was taken as it came" in report


def test_a_pool_of_split_folders_is_drawn_anew(split_data: Path, tmp_path: Path) -> None:
    pooled = DataSource(str(split_data), split_folders="pool")
    assert estimate_fit(pooled, tmp_path / "run", helpers.options())["split"] == "nested:3x2"
    assert pooled.to_json()["split_folders"] == "pool"
    assert "split_folders" not in DataSource(str(split_data)).to_json()
    with pytest.raises(SplitError, match=r"--split nested:3x2 asks for another\. .*--split-folders pool"):
        estimate_fit(split_data, tmp_path / "run", helpers.options())
    with pytest.raises(SplitError, match="A learning curve draws its folds anew"):
        headstart.curve(split_data, tmp_path / "curve", helpers.options(study=None, split="nested:5x4"))
    assert not (tmp_path / "run").exists()


def check(path: Path, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["check", str(path), "--no-features", "-q", *words])
    return result.exit_code, result.output


def test_check_proposes_no_fit_of_one_class(folders: Path, tmp_path: Path) -> None:
    helpers.write_folders(tmp_path / "data", 6, classes=("cat",))
    code, said = check(tmp_path / "data")
    assert code == 0
    assert "All images are of one class ('cat')" in said
    assert "headstart fit" not in said
    assert "Next: headstart fit" in check(folders)[1]


def test_one_class_beside_a_table_names_the_command(tmp_path: Path) -> None:
    root = helpers.write_folders(tmp_path / "data", 6, classes=("images",))
    helpers.write_table(root / "labels.csv", [{"image": f"{row:03d}.png", "label": "xy"[row % 2]} for row in range(6)])
    command = f"headstart fit {root}/labels.csv --root {root}/images -o runs/first"
    _, said = check(root)
    assert command in " ".join(said.split())
    with pytest.raises(DataError, match=r"of one class.*Reading found: .*labels.csv lists these images") as refused:
        headstart.fit(root, tmp_path / "run", helpers.options())
    assert command in str(refused.value)
    assert check(root / "labels.csv", "--root", str(root / "images"))[0] == 0


def test_split_folders_that_are_none_stop_with_the_choice(tmp_path: Path) -> None:
    helpers.write_folders(tmp_path / "data", 4, classes=("train", "test"))
    code, said = check(tmp_path / "data")
    assert code == 2
    assert "--split-folders classes takes test/, train/ as classes" in said
    assert check(tmp_path / "data", "--split-folders", "classes")[0] == 0
