"""`headstart explain`: pictures and numbers of images, neighbours from a run, words for everything that cannot be."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
from click.testing import CliRunner, Result

from headstart.cli import main
from headstart.errors import InputError
from headstart.results.models.explanations import ExplainedImage, Explanations, PictureFacts
from headstart.storage import write_bytes
from headstart.workflow import Run
from headstart.workflow.job.explanation_folder import ExplanationFolder, picture_names


def headstart(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("new")
    return [helpers.write_image(root / f"{row} & co.png", one) for row, one in enumerate(helpers.noise(2, seed=9))]


@pytest.fixture(scope="module")
def written(run: Run, images: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    folder = tmp_path_factory.mktemp("out") / "pictures"
    found = headstart("explain", run.folder, *images, "-o", folder, "--activation", "-q")
    assert found.exit_code == 0, found.output
    return folder, found


def document(folder: Path) -> Explanations:
    return Explanations.read(folder / "explanations.json")


def test_every_image_has_its_picture_its_stages_and_its_numbers(
    run: Run, images: list[Path], written: tuple[Path, Result]
) -> None:
    folder, found = written
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["001-0-co-stages.png", "001-0-co.png", "002-1-co-stages.png", "002-1-co.png", "explanations.json"]
    predicted = run.model().predict([str(path) for path in images]).tolist()
    for one, path, name in zip(document(folder).images, images, predicted, strict=True):
        assert (one.image, one.predicted, one.target, one.against) == (str(path), name, name, None)
        assert one.picture is not None
    assert "Wrote" in found.stdout
    assert document(folder).notes == ()


def test_neighbours_are_training_images_with_their_labels(
    run: Run, folders: Path, written: tuple[Path, Result], tmp_path: Path
) -> None:
    for one in document(written[0]).images:
        assert len(one.neighbours) == 5
        assert all(near.image.startswith(f"{near.label}/") for near in one.neighbours)
    own = folders / "calm" / "000.png"
    headstart("explain", run.folder, own, "-o", tmp_path / "out", "-q")
    near = document(tmp_path / "out").images[0].neighbours
    assert "calm/000.png" not in [one.image for one in near], "an image is not its own neighbour"


def test_a_bundle_has_no_training_images_and_says_so(run: Run, images: list[Path], tmp_path: Path) -> None:
    found = headstart("explain", run.folder / "model", images[0], "-o", tmp_path / "out", "-q")
    assert found.exit_code == 0
    assert "a bundle does not hold its training images. Give the run in its place." in " ".join(found.stdout.split())
    assert document(tmp_path / "out").images[0].neighbours == ()


def test_training_images_that_are_gone_are_said_to_be(run: Run, images: list[Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run.folder, tmp_path / "copy"))
    stored = json.loads((folder / "run.json").read_text())
    stored["source"]["data"] = {"root": str(tmp_path / "gone"), "confined": True}
    (folder / "run.json").write_text(json.dumps(stored))
    found = headstart("explain", folder, images[0], "-o", tmp_path / "out", "-q")
    assert found.exit_code == 0
    assert "where the images lay, is gone" in found.stdout


def test_the_same_command_writes_the_same_bytes_again(
    run: Run, images: list[Path], written: tuple[Path, Result]
) -> None:
    before = helpers.tree(written[0])
    again = headstart("explain", run.folder, images[0], "-o", written[0], "-q", "--json")
    assert json.loads(again.stdout)["n_images"] == 1
    after = helpers.tree(written[0])
    assert set(after) == {"001-0-co.png", "explanations.json"}, "pictures of the call before are gone"
    assert after["001-0-co.png"] != b""
    headstart("explain", run.folder, *images, "-o", written[0], "--activation", "-q")
    full = helpers.tree(written[0])
    assert full == before


def test_an_image_that_cannot_be_read_stops_nothing(run: Run, images: list[Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    found = headstart("explain", run.folder, broken, images[0], "-o", tmp_path / "out", "-q")
    assert found.exit_code == 1
    assert document(tmp_path / "out").n_images == 1
    assert "broken.png could not be read" in " ".join(found.stdout.split())


@pytest.mark.parametrize(
    ("named", "words"),
    [
        (["gone.png"], "gone.png: no such file"),
        (["gone.png", "away.png"], "gone.png (and 1 more): no such file"),
        (["broken.png"], "No image could be read. The first, broken.png: "),
    ],
)
def test_images_that_are_not_there_are_refused_before_anything_is_written(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    found = headstart("explain", run.folder, *named, "-o", "out", "-q")
    assert found.exit_code == 2
    assert words in " ".join(found.stderr.split())
    assert [path.name for path in tmp_path.iterdir()] == ["broken.png"]


def test_tests_need_the_heads_of_the_folds(run: Run, images: list[Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run.folder, tmp_path / "copy"))
    (folder / "folds" / "heads.json").unlink()
    found = headstart("explain", folder, images[0], "-o", tmp_path / "out", "-q", "--checks")
    assert found.exit_code == 2
    assert "heads.json cannot be read: no such file or directory" in " ".join(found.stderr.split())
    assert not (tmp_path / "out").exists()
    assert headstart("explain", folder, images[0], "-o", tmp_path / "out", "-q").exit_code == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--class", "ruogh"], "Did you mean 'rough'"),
        (["--class", "calm", "--against", "calm"], "tells one class from another"),
        (["--stage", "layer9"], "Unknown stage 'layer9'"),
        (["--stage", "layer9", "--activation", "--method", "exact"], "Unknown stage 'layer9'"),
        (["--method", "sharpest"], "'sharpest' is not one of"),
    ],
)
def test_what_the_model_has_not_is_refused_before_anything_is_written(
    run: Run, images: list[Path], tmp_path: Path, options: list[str], words: str
) -> None:
    found = headstart("explain", run.folder, images[0], "-o", tmp_path / "out", "-q", *options)
    assert found.exit_code == 2
    assert words in " ".join(found.stderr.split())
    assert "Traceback" not in found.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_else_is_refused(run: Run, images: list[Path], tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    for place in (tmp_path, tmp_path / "letter.txt", run.folder, run.folder / "explanations"):
        found = headstart("explain", run.folder, images[0], "-o", place, "-q")
        assert found.exit_code == 2
        assert "is no folder for explanations" in " ".join(found.stderr.split())
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_maps_are_tested_and_the_tests_stand_beside_them(run: Run, images: list[Path], tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    white = np.full((20, 24, 3), 255, dtype=np.uint8)
    white[:, 12:] = 0
    helpers.write_image(masks / f"{images[0].stem}.png", white)
    asked = ["explain", run.folder, *images, "-o", tmp_path / "out", "-q", "--checks", "--masks", masks]
    assert headstart(*asked).exit_code == 0
    first, second = (one.checks for one in document(tmp_path / "out").images)
    assert first is not None
    assert second is not None
    for one in (first, second):
        assert None not in (one.deletion, one.insertion, one.random_network, one.permuted_labels, one.folds_agreement)
        assert one.survives == (min(one.random_network or 0, one.permuted_labels or 0) >= 0.5)
        assert one.n_folds == 3
    assert first.mask_share == 0.5
    assert second.mask_share is None
    assert any("of the picture" in line for line in first.lines())
    before = helpers.tree(tmp_path / "out")
    headstart(*asked)
    assert helpers.tree(tmp_path / "out") == before


def test_tests_that_a_bundle_cannot_have_are_named(run: Run, images: list[Path], tmp_path: Path) -> None:
    found = headstart("explain", run.folder / "model", images[0], "-o", tmp_path / "out", "-q", "--checks")
    assert found.exit_code == 0
    (one,) = document(tmp_path / "out").images
    assert one.checks is not None
    assert one.checks.random_network is not None
    assert (one.checks.permuted_labels, one.checks.survives, one.checks.folds_agreement) == (None, None, None)
    notes = " ".join(document(tmp_path / "out").notes)
    assert "permuted labels is left out: a bundle does not hold its training images" in notes
    assert "a bundle does not hold their heads" in notes


def test_masks_that_are_none_are_refused(run: Run, images: list[Path], folders: Path, tmp_path: Path) -> None:
    for masks, words in ((tmp_path / "gone", "is no folder"), (folders / "calm", "has no mask of these images")):
        found = headstart("explain", run.folder, images[0], "-o", tmp_path / "out", "-q", "--masks", masks)
        assert found.exit_code == 2
        assert words in " ".join(found.stderr.split())
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("sizes", "value", "words"),
    [
        ({"0 & co": (24, 24)}, 255, "is 24 x 24 pixels, its image 24 x 20: another shape"),
        ({"0 & co": (20, 24)}, 1, "no value is above 127, though some are above 0"),
        ({"left/0 & co": (20, 24), "right/0 & co": (20, 24)}, 255, "have the same"),
    ],
)
def test_masks_that_would_be_read_wrongly_are_refused(
    run: Run, images: list[Path], tmp_path: Path, sizes: dict[str, tuple[int, int]], value: int, words: str
) -> None:
    masks = tmp_path / "masks"
    for name, size in sizes.items():
        helpers.write_image(masks / f"{name}.png", np.full(size, value, dtype=np.uint8))
    found = headstart("explain", run.folder, images[0], "-o", tmp_path / "out", "-q", "--masks", masks)
    assert found.exit_code == 2
    assert words in " ".join(found.stderr.split())
    assert not (tmp_path / "out").exists()


def test_a_mask_of_half_the_size_fits_its_image(run: Run, images: list[Path], tmp_path: Path) -> None:
    helpers.write_image(tmp_path / "masks" / f"{images[0].stem}.png", np.full((10, 12), 255, dtype=np.uint8))
    asked = ["explain", run.folder, images[0], "-o", tmp_path / "out", "-q", "--masks", tmp_path / "masks"]
    assert headstart(*asked).exit_code == 0
    (one,) = document(tmp_path / "out").images
    assert one.checks is not None
    assert one.checks.mask_share == 1.0


def test_two_images_of_one_name_have_no_mask(run: Run, tmp_path: Path) -> None:
    twins = [helpers.write_image(tmp_path / side / "a.png", helpers.noise(1)[0]) for side in ("left", "right")]
    mask = helpers.write_image(tmp_path / "masks" / "a.png", np.full((20, 24), 255, dtype=np.uint8))
    found = headstart("explain", run.folder, *twins, "-o", tmp_path / "out", "-q", "--masks", mask.parent)
    assert found.exit_code == 2
    assert "have the same" in " ".join(found.stderr.split())


class Killed(BaseException):
    """End of a process that has no time to tidy up."""


def explain_again(folder: Path, stems: Sequence[str], content: bytes) -> None:
    """What `explain` does with its folder, but for the pictures themselves."""
    names = [picture_names(stem)[0] for stem in stems]
    with ExplanationFolder.of(folder).drawing(names) as aside:
        for name in names:
            write_bytes(aside / name, content)
        images = tuple(about(name) for name in names)
        Explanations(n_images=len(names), images=images, notes=()).write(aside / "explanations.json")


def about(picture: str) -> ExplainedImage:
    return ExplainedImage(
        image="a",
        kind=None,
        label=None,
        predicted="calm",
        probability=0.5,
        fold=None,
        target="calm",
        against=None,
        method="sharp",
        stage=None,
        score=0.0,
        limit=1.0,
        share_for=0.5,
        picture=PictureFacts(file=picture, box=(0, 0, 1, 1)),
    )


@pytest.mark.parametrize("n_steps", range(9))
def test_after_a_kill_at_any_moment_the_next_call_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_steps: int
) -> None:
    explain_again(tmp_path / "whole", ["001-a", "003-c"], b"new")
    folder = tmp_path / "killed"
    explain_again(folder, ["001-a", "002-b"], b"old")
    steps = itertools.count()

    def step(method: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **named: Any) -> Any:
            if next(steps) == n_steps:
                raise Killed
            return method(*given, **named)

        return counted

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *given, **named: None)
        for name in ("mkdir", "unlink", "replace"):
            patch.setattr(Path, name, step(getattr(Path, name)))
        with contextlib.suppress(Killed):
            explain_again(folder, ["001-a", "003-c"], b"new")
    assert folder.is_dir()
    explain_again(folder, ["001-a", "003-c"], b"new")
    assert helpers.tree(folder) == helpers.tree(tmp_path / "whole")


def test_an_early_end_leaves_earlier_explanations_and_files_of_others_as_they_were(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    explain_again(folder, ["001-a"], b"old")
    (folder / "002-b.png").write_bytes(b"the user's own")
    before = helpers.tree(folder)
    with pytest.raises(InputError, match=r"holds 002-b.png, which is no picture of earlier explanations"):
        explain_again(folder, ["001-a", "002-b"], b"new")
    with pytest.raises(KeyboardInterrupt), ExplanationFolder.of(folder).drawing(["001-a.png"]) as aside:
        write_bytes(aside / "001-a.png", b"new")
        raise KeyboardInterrupt
    assert helpers.tree(folder) == before
