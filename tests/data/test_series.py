"""Series in names and times: proposed where neighbours look alike, and nothing where names are random."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import Image

from headstart.data import audit_dataset, read_dataset
from headstart.data.audit import series as series_of_names
from headstart.data.audit.perceptual_hash import thumbnail
from headstart.data.audit.series import burst_warning, find_series
from headstart.data.readers.table import groups_from_names
from headstart.lesions.reading.read import read_lesions
from headstart.lesions.reading.settings import ReadingSettings

N_SERIES, LENGTH = 24, 4
SERIES = np.repeat(np.arange(N_SERIES), LENGTH)
LABELS = SERIES % 2
Naming = Callable[[int, int, int], str]  # from series, place in it and running number

SCHEMES: dict[str, Naming] = {
    "copies": lambda one, k, i: f"{one % 2}/img{one:03d}_aug{k}.jpg",
    "patients": lambda one, k, i: f"{one % 2}/P{one:02d}_{'LR'[k % 2]}_{i:04d}.png",
    "pieces": lambda one, k, i: f"{one % 2}/exp{k + 1}_num_{100_000 + one * 37}.jpg",
    "brackets": lambda one, k, i: f"{one % 2}/scan {one} ({k}).png",
    "frames": lambda one, k, i: f"{one % 2}/frame{12_000 + one * 10 + k}.png",
    "slices": lambda one, k, i: f"images/sub-{one:03d}_slice-{k:02d}.png",
    "letters": lambda one, k, i: f"{one % 2}/cell{one}img{k}.png",
    "tiles": lambda one, k, i: f"{one % 2}/mosaic{one:02d}_x{k % 2}_y{k // 2}.tif",
    "folders": lambda one, k, i: f"{one % 2}/case{one:02d}/{k:03d}.png",
    "no extension": lambda one, k, i: f"{one % 2}/lot{one:02d}-{k}",
}


def pictures(seed: int = 0) -> list[Image.Image]:
    """Images of a series share what lies behind them."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(N_SERIES):
        base = rng.integers(30, 190, (5, 5, 3))
        for _ in range(LENGTH):
            blocks = (base + rng.integers(0, 60, base.shape)).astype(np.uint8)
            made.append(Image.fromarray(blocks).resize((40, 40), Image.Resampling.BICUBIC))
    return made


@pytest.fixture(scope="module")
def thumbnails() -> np.ndarray:
    return np.stack([thumbnail(one) for one in pictures()])


def named(scheme: Naming) -> list[str]:
    return [scheme(one, row % LENGTH, row) for row, one in enumerate(SERIES.tolist())]


@pytest.mark.parametrize("name", SCHEMES)
def test_series_are_found_in_names(name: str, thumbnails: np.ndarray) -> None:
    names = named(SCHEMES[name])
    series = find_series(names, thumbnails, LABELS)
    assert series is not None
    groups = groups_from_names(names, series.pattern)  # what --group-from does with it
    assert len(groups.names) == series.n_groups == N_SERIES
    assert all(len(set(groups.codes[one == SERIES])) == 1 for one in range(N_SERIES))
    assert series.closeness < 0.7
    assert f"--group-from '{series.pattern}'" in series.words()


def test_nothing_is_proposed_where_names_are_random(thumbnails: np.ndarray) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(SERIES))
        kinds: tuple[Callable[[int], str], ...] = (
            lambda row, rng=rng: f"{LABELS[row]}/{rng.bytes(4).hex()}.png",
            lambda row, order=order: f"{LABELS[row]}/IMG_{order[row]:04d}.jpg",
            lambda row, rng=rng: f"all/P{rng.integers(24)}_{rng.integers(9_999)}.jpg",
            lambda row, rng=rng: f"{LABELS[row]}/{rng.integers(40)}-{row}.jpg",
        )
        names = [kinds[seed % 4](row) for row in range(len(SERIES))]
        assert find_series(names, thumbnails, LABELS, seed=seed) is None, names[:2]


def test_a_name_that_tells_the_class_is_no_series() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(12), 8)
    base = rng.integers(0, 200, (12, 32, 32))
    alike = (base[labels] + rng.integers(0, 50, (96, 32, 32))).astype(np.uint8)
    assert find_series([f"kind{label}_{row}.png" for row, label in enumerate(labels)], alike, labels) is None


def test_a_coarser_division_wins_where_it_is_close_too(thumbnails: np.ndarray) -> None:
    names = [f"p{one // 2}_{one % 2}_{row}.png" for row, one in enumerate(SERIES.tolist())]
    fine = find_series(names, thumbnails, np.zeros_like(LABELS))
    assert fine is not None
    assert fine.n_groups == N_SERIES  # two series of a "p" are strangers


def test_a_coarser_division_tears_no_series_apart(thumbnails: np.ndarray) -> None:
    # subjects of one thousand look alike too, as cells of one module do, so groups by the first digits are close; but
    # each piece of a subject has a beginning of its own and would part from the others in them
    alike = thumbnails.astype(np.float64)
    for rows in np.split(np.arange(len(SERIES)), 3):
        alike[rows] = 0.4 * alike[rows] + 0.6 * alike[rows[:1]]
    names = [f"exp{row % LENGTH + 1}_num_{100_000 + one * 125}.jpg" for row, one in enumerate(SERIES.tolist())]
    series = find_series(names, alike.astype(np.uint8), np.zeros_like(LABELS))
    assert series is not None
    codes = groups_from_names(names, series.pattern).codes
    assert all(len(set(codes[one == SERIES])) == 1 for one in range(N_SERIES))


def test_whole_fields_go_before_parts_of_a_number(thumbnails: np.ndarray) -> None:
    # cells of one picture share little, and those with neighbouring numbers somewhat more
    rng = np.random.default_rng(9)
    places = np.stack([thumbnail(one) for one in pictures(seed=1)])[rng.permutation(len(SERIES))[np.arange(96) // 2]]
    own = rng.integers(0, 255, (96, 8, 8)).repeat(4, axis=1).repeat(4, axis=2)
    faint = (0.5 * thumbnails + 0.2 * places + 0.3 * own).astype(np.uint8)
    names = [f"m{one}_cell{10 * (row % LENGTH // 2) + row % 2:02d}.png" for row, one in enumerate(SERIES.tolist())]
    series = find_series(names, faint, np.zeros_like(LABELS))
    assert series is not None
    assert (series.n_groups, series.pattern) == (N_SERIES, r"([^/]+)_+[^/_]+\.\w+$")
    assert 0.8 < series.closeness <= 0.9


def test_bursts_are_named(thumbnails: np.ndarray) -> None:
    times = [1_000.0 * one + row % LENGTH for row, one in enumerate(SERIES.tolist())]
    words = burst_warning(times, thumbnails, LABELS)
    assert words is not None
    assert words.startswith("96 images were taken within 10 s of another")
    assert "24 series" in words
    assert "name these in a column (--patient-column)" in str(
        burst_warning(times, thumbnails, LABELS, "--patient-column")
    )
    shuffled = np.random.default_rng(0).permutation(times).tolist()
    assert burst_warning(shuffled, thumbnails, LABELS) is None
    assert burst_warning([None] * 96, thumbnails, LABELS) is None


def test_a_series_of_lesions_names_the_option_that_lesions_have(tmp_path: Path) -> None:
    names = [name.replace("/", "_") for name in named(SCHEMES["copies"])]
    for name, picture in zip(names, pictures(), strict=True):
        picture.save(tmp_path / name, quality=95)
    rows = [f"{name},{'ab'[label]}" for name, label in zip(names, LABELS.tolist(), strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["image,label", *rows]) + "\n", encoding="utf-8")
    dataset = read_lesions(tmp_path, ReadingSettings()).dataset()
    warnings = [words for words in audit_dataset(dataset).warnings if "run in series" in words]
    assert len(warnings) == 1
    assert "24 groups, is what belongs together, write it into a column of the table and name that" in warnings[0]
    assert warnings[0].endswith("by --patient-column.")
    assert "--group-from" not in warnings[0]


def test_the_audit_proposes_groups_until_they_are_given(tmp_path: Path) -> None:
    for name, picture in zip(named(SCHEMES["copies"]), pictures(), strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        picture.save(tmp_path / name, quality=95)
    audit = audit_dataset(read_dataset(tmp_path))
    assert audit.series is not None
    assert audit.to_json()["series"]["n_groups"] == N_SERIES
    assert audit.series.words() in audit.warnings
    again = audit_dataset(read_dataset(tmp_path, group_from=audit.series.pattern))
    assert again.series is None
    assert not any("run in series" in words for words in again.warnings)


@pytest.mark.parametrize("name", ["a/b.png", "b.tar.gz", ".hidden", "a.b/c", "a/.hidden.png", "c.", "a.b/.x", "é.PNG"])
def test_stems_and_suffixes_are_those_of_pathlib(name: str) -> None:
    path = PurePosixPath(name)
    if name.endswith("."):  # of which versions of Python differ
        assert series_of_names._stem_and_suffix(name) == (name, "")
    else:
        assert series_of_names._stem_and_suffix(name) == (path.stem, path.suffix)


def test_rows_of_a_class_are_drawn_as_numpy_chooses_them() -> None:
    members = np.array([3, 5, 8, 9])
    found = series_of_names._of_same_class([(np.arange(50), members)], np.random.default_rng(7))
    assert np.array_equal(found, np.random.default_rng(7).choice(members, 50))
