"""`headstart lesions` goes from an archive to a clean folder, a sheet and a run, and new images to predictions."""

from __future__ import annotations

import csv
import json
import shlex

import helpers
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from headstart.cli.main import main
from headstart.progress import Silent
from headstart.study.search.candidate import FeatureSourceSpec
from headstart.workflow.lesions import SOURCES, fit_lesions, looked_at, with_sources
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.lesions import LesionFitOptions

N_IMAGES = 24


def lesion(radius: float, seed: int) -> np.ndarray:
    """A brown disk on skin, somewhere near the middle, so that no two look alike."""
    generator = np.random.default_rng(seed)
    top, left = generator.integers(20, 41), generator.integers(25, 56)
    down, across = np.ogrid[:60, :80]
    inside = np.hypot(down - top, across - left) <= radius
    shade = generator.uniform(-15, 15) * across[..., None] / 80 + generator.uniform(-15, 15) * down[..., None] / 60
    pixels = np.where(inside[..., None], (120, 75, 55), (225, 180, 160)) + shade + generator.normal(0, 4, (60, 80, 3))
    return pixels.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Made-up images and metadata in the form of the ISIC archive; thicker lesions are larger. Read only."""
    folder = tmp_path_factory.mktemp("isic") / "archive"
    rows = []
    for number in range(N_IMAGES):
        thickness = (0.4, 1.1, 2.5)[number % 3]
        name = f"ISIC_{number:07d}"
        helpers.write_image(folder / f"{name}.png", lesion(8 + 4 * (number % 3) + number % 2, number))
        rows.append(
            {
                "isic_id": name,
                "mel_thick_mm": f"{thickness}",
                "patient_id": f"IP_{number // 2}",
                "age_approx": str(40 + number),
                "sex": ("male", "female")[number % 2],
                "image_type": "dermoscopic",
            }
        )
    helpers.write_table(folder / "metadata.csv", rows)
    return folder


@pytest.fixture(scope="module")
def lesion_run(archive, tmp_path_factory):
    """A finished fit of them; read only."""
    with helpers.empty_figures():
        return fit_lesions(
            archive, tmp_path_factory.mktemp("run") / "run", None, helpers.options(study=None, split="nested:2x2")
        )


def invoke(*given):
    return CliRunner().invoke(main, ["lesions", *map(str, given)])


def test_a_fit_looks_at_crops_and_measures_lesions(lesion_run):
    results = lesion_run.results
    assert [source.preparation.resize for source in results.sources] == ["squash", "pad"]
    assert [source.preparation.clean_up for source in results.sources] == ["crop", None]
    assert results.task.ordered
    assert results.task.classes == ("<0.75 mm", "0.75-1.5 mm", ">1.5 mm")
    assert 2 < results.task.n_groups <= N_IMAGES // 2  # near-duplicates join some
    assert {column.name for column in results.table.columns} == {"age", "sex"}
    assert results.ensemble is not None
    page = lesion_run.report.read_text()
    assert "numbers measured in the lesion" in page
    assert page.count("The forward pass was computed by") == 1, "no network takes part in the lesion's numbers"
    assert page.count("(weights drawn at random, which no image had ever trained; ") == 1


def test_its_model_cleans_and_measures_new_images_itself_by_the_command_that_a_report_names(lesion_run, tmp_path):
    rows = []
    for number, radius in enumerate((9, 17)):
        helpers.write_image(tmp_path / f"{number}.png", lesion(radius, 100 + number))
        rows.append({"image": f"{number}.png", "age": "50", "sex": "male"})
    table = helpers.write_table(tmp_path / "new.csv", rows)
    with helpers.empty_figures():
        reported = CliRunner().invoke(main, ["report", str(lesion_run.folder), "-q"])
    named = reported.stdout.splitlines()[-1].removeprefix("Next: headstart ")
    assert named.endswith("NEW_IMAGES.csv  # with the columns image, age, sex")
    given = shlex.split(named.replace("NEW_IMAGES.csv", str(table)), comments=True)
    done = CliRunner().invoke(main, [*given, "-o", str(tmp_path / "out.csv"), "-q"])
    assert done.exit_code == 0, done.output
    with (tmp_path / "out.csv").open() as handle:
        assert [row["image"] for row in csv.DictReader(handle)] == ["0.png", "1.png"]


def test_a_model_card_stands_beside_the_report_and_in_the_bundle(lesion_run):
    card = (lesion_run.folder / "model_card.md").read_text()
    assert card == (lesion_run.folder / "model" / "model_card.md").read_text()
    assert lesion_run.headline in card
    parts = ("Intended use", "Not intended", "Data", "Model", "Scores", "Classes", "Decisions", "Subgroups", "Limits")
    for title in parts:
        assert f"## {title}\n" in card
    assert "no medical device" in card
    assert "- A lesion was found in every image." in card
    assert "pad, clean-up none, lesion (measured in the picture, no network takes part)" in card
    recall = lesion_run.results.per_class[">1.5 mm"].metrics["recall"]
    assert f"- &gt;1.5 mm against the others: sensitivity {recall}, specificity " in card
    assert "| sex | female |" in card
    assert card.count("images of a patient or lesion stay together") == 1


def test_results_are_divided_by_what_is_known_of_the_patient(lesion_run):
    with (lesion_run.folder / "subgroups.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert {row["column"] for row in rows} == {"sex", "age"}
    assert sum(int(row["images"]) for row in rows if row["column"] == "sex") == N_IMAGES
    assert all(float(row["ci95_low"]) <= float(row["right"]) <= float(row["ci95_high"]) for row in rows)


def test_an_import_is_a_folder_that_fit_reads(archive, tmp_path):
    done = invoke("import", archive, "-o", tmp_path / "clean", "--edges", "1,2", "-q")
    assert done.exit_code == 0, done.output
    assert f"{N_IMAGES} images" in done.output
    account = json.loads((tmp_path / "clean" / "import.json").read_text())
    assert account["order"] == ["<1 mm", "1-2 mm", ">2 mm"]
    planned = invoke(
        *("fit", tmp_path / "clean", "-o", tmp_path / "run", "--backbone", helpers.BACKBONE, "--weights", "random"),
        *(
            "--input-size",
            32,
            "--split",
            "nested:2x2",
            "--no-baselines",
            "--device",
            "cpu",
            "--threads",
            1,
            "--estimate",
            "--json",
        ),
    )
    assert planned.exit_code == 0, planned.output
    plan = json.loads(planned.stdout)
    assert plan["classes"] == account["order"]
    assert len(plan["sources"]) == 2
    assert not (tmp_path / "run").exists()


def test_the_order_that_lesions_bring_along_may_choose_and_decide(archive, tmp_path):
    done = invoke(
        *("fit", archive, "-o", tmp_path / "run", "--backbone", helpers.BACKBONE, "--weights", "random"),
        *("--input-size", 32, "--split", "nested:2x2", "--device", "cpu", "--threads", 1, "--no-baselines"),
        *("--metric", "quadratic_kappa", "--decide", "expected", "--estimate", "--json"),
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["classes"] == ["<0.75 mm", "0.75-1.5 mm", ">1.5 mm"]


def test_a_sheet_shows_lesions_before_and_after(archive, tmp_path):
    done = invoke("sheet", archive, "-o", tmp_path / "sheet.png", "--number", 4, "--clean-up", "hair+crop")
    assert done.exit_code == 0, done.output
    assert "4 images; no lesion found in 0" in done.output
    with Image.open(tmp_path / "sheet.png") as drawn:
        assert drawn.width > 500


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("import", "{archive}", "-o", "{out}", "--edges", "1.5,0.75"), "should rise"),
        (("import", "{archive}", "-o", "{out}", "--edges", "thick"), "should be millimetres"),
        (("import", "{archive}", "-o", "{out}", "--thickness-column", "mm"), "has no column 'mm'"),
        (("import", "{archive}/none", "-o", "{out}"), "does not exist"),
        (("sheet", "{archive}", "-o", "{out}.jpg"), "ends with .png"),
        (("sheet", "{archive}", "-o", "{out}.png", "--clean-up", "polish"), "step of the clean-up"),
        (("fit", "{archive}", "-o", "{archive}/run"), "lies inside the data"),
        (
            (
                "fit",
                "{archive}",
                "-o",
                "{out}",
                "--clean-up",
                "crop",
                "--normalise",
                "training",
                "--split",
                "nested:2x2",
            ),
            "training",
        ),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(archive, tmp_path, given, message):
    before = helpers.tree(archive)
    out = tmp_path / "out"
    done = invoke(*(word.format(archive=archive, out=out) for word in given))
    assert (done.exit_code, message in done.output.replace("\n", " ")) == (2, True), done.output
    assert "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == []
    assert helpers.tree(archive) == before


def test_options_that_name_features_or_a_clean_up_are_left_alone():
    assert with_sources(FitOptions(features="last")).study is None
    assert with_sources(FitOptions(clean_up="hair")).study is None
    assert with_sources(FitOptions()).study.sources == SOURCES
    assert with_sources(FitOptions()).ensemble
    assert with_sources(FitOptions(novelty=0.05)).ensemble


def test_images_without_a_lesion_are_counted(archive, tmp_path):
    helpers.write_image(tmp_path / "flat.png", np.full((60, 80, 3), 200, dtype=np.uint8))
    helpers.write_image(tmp_path / "mole.png", lesion(12, 0))
    helpers.write_table(tmp_path / "labels.csv", [{"image": "flat", "label": "a"}, {"image": "mole", "label": "b"}])
    dataset = LesionFitOptions().read(tmp_path).dataset()
    sizes = {"flat.png": (80, 60), "mole.png": (80, 60)}
    assert looked_at(dataset, FitOptions(clean_up="crop"), Silent()) == (sizes, 1)
    study = helpers.write_text(tmp_path / "study.toml", 'grid = "quick"\n[[source]]\nclean_up = "crop"\n')
    assert looked_at(dataset, FitOptions(study=str(study)), Silent()) == (sizes, 1)
    assert looked_at(dataset, FitOptions(), Silent()) == (sizes, None)


def test_the_paper_way_takes_its_network_and_its_grid(archive, tmp_path):
    done = invoke(
        *("fit", archive, "-o", tmp_path / "run", "--preset", "paper", "--weights", "random", "--input-size", 32),
        *("--split", "nested:2x2", "--no-baselines", "--device", "cpu", "--threads", 1, "--estimate", "--json"),
    )
    assert done.exit_code == 0, done.output
    plan = json.loads(done.stdout)
    assert list(plan["sources"]) == ["vgg19, last"]
    assert plan["candidates"] == 324


def test_a_source_says_its_clean_up():
    assert FeatureSourceSpec("vgg19", clean_up="crop").label == "vgg19, clean-up crop"
    assert "clean_up" not in FeatureSourceSpec("vgg19").to_json()
