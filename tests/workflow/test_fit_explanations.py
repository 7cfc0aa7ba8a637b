"""Explanations of a fit: twelve telling images by models that had not seen them, in files, report and privacy."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import helpers
import pytest
from PIL import Image

from headstart import fit
from headstart.backbones.feature_block import DESCRIPTORS, LAST, FeatureBlock
from headstart.errors import RunError
from headstart.results.models.explanations import Explanations
from headstart.workflow import Run
from headstart.workflow.fit import estimate_fit
from headstart.workflow.job.bundle import fold_model_source
from headstart.workflow.run import rewrite_report


@pytest.fixture(scope="module")
def explained(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    with helpers.empty_figures():
        return fit(folders, tmp_path_factory.mktemp("runs") / "run", helpers.options(explanations=True, input_size=64))


def document(run: Run) -> Explanations:
    return Explanations.read(run.folder / "explanations" / "explanations.json")


def test_twelve_telling_images_by_the_models_of_their_folds(explained: Run) -> None:
    with (explained.folder / "predictions.csv").open(newline="", encoding="utf-8") as handle:
        judged = {row["image"]: row for row in csv.DictReader(handle)}
    found = document(explained)
    kinds = [one.kind for one in found.images]
    assert list(dict.fromkeys(kinds)) == ["hit", "miss", "doubtful"]
    assert kinds.count("hit") >= 4
    assert len({one.image for one in found.images}) == found.n_images == 12
    for one in found.images:
        row = judged[one.image]
        assert (one.label, one.fold) == (row["label"], int(row["fold"]))
        assert one.probability == float(row[f"probability:{one.predicted}"])
        assert (one.target, one.against) == (
            one.predicted,
            next(name for name in helpers.CLASSES if name != one.target),
        )
        assert all(judged[near.image]["fold"] != row["fold"] for near in one.neighbours), "training images alone"
        assert [near.distance for near in one.neighbours] == sorted(near.distance for near in one.neighbours)
        assert one.share_for is None or 0 <= one.share_for <= 1


def test_pictures_hold_image_map_and_scale_in_their_box(explained: Run) -> None:
    for one in document(explained).images:
        assert one.picture is not None
        with Image.open(explained.folder / "explanations" / one.picture.file) as page:
            left, top, right, bottom = one.picture.box
            assert 0 < left < right < page.width
            assert 0 < top < bottom < page.height
            assert len(page.convert("RGB").getcolors(1 << 20) or ()) > 50


def test_the_map_has_a_point_for_every_image(explained: Run) -> None:
    found = document(explained).map
    assert found is not None
    assert len(found.points) == 48
    assert 0 < (found.explained or 0) < 1


def test_the_report_shows_them(explained: Run) -> None:
    page = explained.report.read_text(encoding="utf-8")
    section = page.split('id="result"')[1].split("<section")[0]
    for heading in ("Sure hits", "Sure mistakes", "Doubtful images"):
        assert heading in section
    assert section.count("data:image/jpeg;base64,") == 12
    assert "Nearest training images" in page.split('id="explanations"')[1].split("<section")[0]
    assert page.index('id="gallery"') < page.index('id="explanations"') < page.index('id="split"')
    assert "LayerCAM" in page.split('id="methods"')[1]


def test_the_same_fit_gives_the_same_bytes(explained: Run, folders: Path, tmp_path: Path, no_figures: None) -> None:
    again = fit(folders, tmp_path / "run", helpers.options(explanations=True, input_size=64))
    assert helpers.tree(again.folder / "explanations") == helpers.tree(explained.folder / "explanations")
    plain = fit(folders, tmp_path / "plain", helpers.options(input_size=64))
    assert not (plain.folder / "explanations").exists()
    assert (plain.folder / "predictions.csv").read_bytes() == (explained.folder / "predictions.csv").read_bytes()
    assert (plain.folder / "results.json").read_bytes() == (explained.folder / "results.json").read_bytes()


def copy(run: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run.folder, tmp_path / "copy"))


def test_pictures_that_are_forbidden_later_are_removed(
    explained: Run, folders: Path, tmp_path: Path, empty_figures: None
) -> None:
    folder = copy(explained, tmp_path)
    run = fit(folders, folder, helpers.options(explanations=True, input_size=64, images=False))
    assert [path.name for path in (folder / "explanations").iterdir()] == ["explanations.json"]
    assert all(one.picture is None for one in document(run).images)
    section = run.report.read_text(encoding="utf-8").split('id="explanations"')[1].split("<section")[0]
    assert "data:image/jpeg" not in section
    assert not any(one.image in section for one in document(run).images)
    assert "an image of" in section


def test_a_report_without_a_picture_that_is_damaged(explained: Run, tmp_path: Path, empty_figures: None) -> None:
    folder = copy(explained, tmp_path)
    (folder / "explanations" / "01.png").write_bytes(b"no picture")
    (folder / "explanations" / "02.png").unlink()
    page = rewrite_report(folder).read_text(encoding="utf-8")
    assert page.split('id="result"')[1].split("<section")[0].count("data:image/jpeg;base64,") == 10


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_images": -1}, r"n_images: .* It is -1"),
        ({"map": {"projection": "pca", "explained": 0.5, "features": "x", "points": [[0, 0]]}}, "1 points for 48"),
        ("stranger", r"images\[0\] names a class or an image that is not the run's"),
        ("path", r"images\[0\]\.picture\.file"),
    ],
)
def test_damaged_explanations_are_refused_by_field(
    explained: Run, tmp_path: Path, empty_figures: None, change: str | dict[str, object], words: str
) -> None:
    folder = copy(explained, tmp_path)
    path = folder / "explanations" / "explanations.json"
    content = json.loads(path.read_text())
    if change == "stranger":
        content["images"][0]["image"] = "nobody.png"
    elif change == "path":
        content["images"][0]["picture"]["file"] = "../../secret.png"
    else:
        content |= change
    path.write_text(json.dumps(content))
    with pytest.raises(RunError, match=words) as caught:
        rewrite_report(folder)
    assert f"-o {folder}`" in str(caught.value)


def test_of_an_ensemble_the_weightiest_member_that_sees_the_network_is_explained() -> None:
    def chosen(*blocks: FeatureBlock) -> int:
        """Source of the explained one of three members on these blocks, the weightiest first."""
        sources = [SimpleNamespace(extractor=SimpleNamespace(blocks=(block,))) for block in blocks]
        members = [SimpleNamespace(number=n, weight=w, is_tuned=False) for n, w in enumerate((0.5, 0.3, 0.2))]
        result = SimpleNamespace(ensemble=SimpleNamespace(is_kept=True, members=members), chosen=0)
        plan = SimpleNamespace(source_of=lambda number: number)
        return fold_model_source(
            cast("Any", SimpleNamespace(sources=sources)), cast("Any", SimpleNamespace(plan=plan)), cast("Any", result)
        )

    assert chosen(LAST, DESCRIPTORS, LAST) == 0
    assert chosen(DESCRIPTORS, LAST, LAST) == 1
    assert chosen(DESCRIPTORS, DESCRIPTORS, DESCRIPTORS) == 0


def test_the_seconds_of_explanations_are_announced(folders: Path, tmp_path: Path) -> None:
    asked = helpers.options(explanations=True, input_size=64)
    assert estimate_fit(folders, tmp_path / "run", asked)["seconds"]["explanations"] == pytest.approx(2.4, abs=0.5)
    without = estimate_fit(folders, tmp_path / "run", helpers.options(input_size=64))
    assert without["seconds"]["explanations"] == 0


def test_a_head_that_cannot_be_explained_is_noted(folders: Path, tmp_path: Path, no_figures: None) -> None:
    run = fit(folders, tmp_path / "run", helpers.options(explanations=True, features="descriptors"))
    found = document(run)
    assert (found.n_images, found.images) == (0, ())
    assert found.notes[0].startswith("Outer fold 0 is not explained: The head (")
    assert "takes descriptors of the whole image" in found.notes[0]
