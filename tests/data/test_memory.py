"""Pictures in memory: every kind gives the pixels of the file it stands for, or is refused with its row and remedy."""

from __future__ import annotations

import gc
import io
import pickle
import re
import weakref
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from PIL import Image
from scipy.sparse import csr_array

from headstart import ImageDataset, read_dataset
from headstart.data.memory.form import PictureForm
from headstart.data.read import as_dataset
from headstart.errors import DataError, ImageError

N = 4


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, size=(N, 10, 12, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def paths(pixels: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    for row, picture in enumerate(pixels):
        Image.fromarray(picture).save(folder / f"{row}.png")
    return sorted(folder.glob("*.png"))


def opened(path: Path) -> Image.Image:
    """An image file that was opened and not decoded; of its bytes, so that no handle stays open."""
    return Image.open(io.BytesIO(path.read_bytes()))


def shown(pictures: object, **options: object) -> list[np.ndarray]:
    dataset = as_dataset(pictures, PictureForm(**options))
    return [np.asarray(dataset.load(row)) for row in range(len(dataset))]


class Pairs(torch.utils.data.Dataset):
    """The map style: items of an image and its label; tells how many of its images are alive at once."""

    def __init__(self, pictures: np.ndarray, labels: list[object]) -> None:
        self.pictures, self.labels, self.alive, self.most = pictures, labels, 0, 0

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[object, object]:
        picture = Image.fromarray(self.pictures[row])
        self.alive += 1
        self.most = max(self.most, self.alive)
        weakref.finalize(picture, self._let_go)
        return picture, self.labels[row]

    def _let_go(self) -> None:
        self.alive -= 1


# Every kind shows the same pixels


def kinds(pixels: np.ndarray, paths: list[Path]) -> dict[str, object]:
    tensor = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    texts = [str(path) for path in paths]
    encoded = [path.read_bytes() for path in paths]
    objects = np.empty(N, dtype=object)
    objects[:] = [opened(path) for path in paths]
    return {
        "paths": paths,
        "texts": tuple(texts),
        "column of objects": np.array(paths, dtype=object)[:, None],
        "opened files": [opened(path) for path in paths],
        "Pillow images": [Image.fromarray(one) for one in pixels],
        "array of Pillow images": objects,
        "encoded": encoded,
        "bytes and path": [{"bytes": one, "path": None} for one in encoded[:2]] + [{"path": one} for one in texts[2:]],
        "array": pixels,
        "16 bits": pixels.astype(np.uint16) * 257,
        "floats": (pixels / 255).astype(np.float32),
        "list of arrays": list(pixels),
        "batch": tensor,
        "batch of floats": tensor / 255,
        "batch on its way back": (tensor / 255).requires_grad_(),
        "tensors": list(tensor),
        "torch": Pairs(pixels, [0, 1, 0, 1]),
        "pairs of tensors": torch.utils.data.TensorDataset(tensor, torch.tensor([0, 1, 0, 1])),
        "subset": torch.utils.data.Subset(Pairs(pixels, [0] * N), range(N)),
        "pandas": pd.DataFrame({"age": range(N), "image": texts}),
        "one column": pd.DataFrame({"file": texts}),
        "series": pd.Series(texts),
        "pictures in a frame": pd.DataFrame({"image": [Image.fromarray(one) for one in pixels]}),
        "polars": pl.DataFrame({"image": texts, "age": range(N)}),
        "polars series": pl.Series(texts),
        "arrow": pa.table({"image": [{"bytes": one, "path": None} for one in encoded]}),
    }


def test_every_kind_shows_the_pixels_of_its_files(pixels: np.ndarray, paths: list[Path]) -> None:
    for kind, given in kinds(pixels, paths).items():
        found = shown(given)
        assert len(found) == N, kind
        for one, expected in zip(found, pixels, strict=True):
            np.testing.assert_array_equal(one, expected, err_msg=kind)


def test_one_picture_is_a_collection_of_one(pixels: np.ndarray, paths: list[Path]) -> None:
    tensor = torch.from_numpy(pixels[0]).permute(2, 0, 1)
    for given in (
        paths[0],
        str(paths[0]),
        opened(paths[0]),
        paths[0].read_bytes(),
        pixels[0],
        tensor,
        tensor / 255,
    ):
        [found] = shown(given)
        np.testing.assert_array_equal(found, pixels[0])
    for grey in (pixels[0, ..., 0], torch.from_numpy(pixels[0, ..., 0])):
        [found] = shown(grey)
        np.testing.assert_array_equal(found[..., 1], pixels[0, ..., 0])


def test_three_axes_are_one_colour_image_unless_labels_say_otherwise() -> None:
    array = np.zeros((9, 7, 3), dtype=np.uint8)
    assert len(as_dataset(array)) == len(as_dataset(torch.from_numpy(array).permute(2, 0, 1))) == 1
    assert len(ImageDataset.from_images(array, [0, 1, 2] * 3)) == 9
    assert len(as_dataset(array.transpose(2, 0, 1))) == 3  # three grey ones


def test_sizes_and_depths_may_differ() -> None:
    given = [np.full((4, 6), 51, np.uint8), np.full((3, 5, 3), 0.2, np.float32), Image.new("LA", (2, 2), (51, 255))]
    assert [found.shape for found in shown(given)] == [(4, 6, 3), (3, 5, 3), (2, 2, 3)]
    assert {int(found.max()) for found in shown(given)} == {51}


def test_deep_and_half_floats() -> None:
    deep = Image.fromarray(np.full((3, 3), 65_535, np.uint16))
    half, short = torch.full((3, 4, 4), 0.5, dtype=torch.bfloat16), np.full((4, 4), 0.5, np.float16)
    assert [int(found.max()) for found in shown([deep, half, short])] == [255, 128, 128]


def test_floats_that_are_no_bytes_stay_floats() -> None:
    samples = as_dataset(np.full((2, 5, 5), 0.5001)).stored(0).decoded().samples
    assert samples is not None
    assert samples.max() == pytest.approx(127.5255)


def test_pillow_images_are_turned_upright_once(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6))
    picture.save(tmp_path / "turned.png", exif=exif)
    loaded = opened(tmp_path / "turned.png")
    loaded.load()
    [by_path], [by_pixels], [by_file] = (
        shown(tmp_path / "turned.png"),
        shown(loaded),
        shown(opened(tmp_path / "turned.png")),
    )
    assert by_path.shape == (6, 4, 3)
    np.testing.assert_array_equal(by_path, by_pixels)
    np.testing.assert_array_equal(by_path, by_file)


def test_an_opened_file_is_known_by_its_bytes_and_stays_unread(paths: list[Path]) -> None:
    images = [opened(path) for path in paths]
    dataset = as_dataset(images)
    assert [dataset.content_hash(row) for row in range(N)] == [as_dataset(paths).content_hash(row) for row in range(N)]
    dataset.load(0)
    assert all(image.fp is not None for image in images)


# Nothing is held that can be read again


def test_a_data_set_is_read_one_by_one(pixels: np.ndarray) -> None:
    pairs = Pairs(np.repeat(pixels, 8, axis=0), [row % 2 for row in range(8 * N)])
    dataset = read_dataset(pairs)
    for row in range(len(dataset)):
        dataset.content_hash(row)
        dataset.load(row)
    gc.collect()
    assert pairs.most <= 3
    assert pairs.alive == 0


def test_a_source_of_pictures_goes_to_worker_processes(pixels: np.ndarray) -> None:
    again = pickle.loads(pickle.dumps(as_dataset(list(pixels)).pixels))
    np.testing.assert_array_equal(np.asarray(again.open(1, "b").decoded().image), pixels[1])


# Labels that come along


def test_frames_are_read_by_the_rules_of_a_manifest(paths: list[Path]) -> None:
    columns = {"file": paths, "dx": ["b", "a", "b", "a"], "patient": [1, 1, 2, 2], "age": [61.0, None, 8.5, 9.0]}
    texts = {**columns, "file": [str(path) for path in paths]}
    roles = {"image": "file", "label": "dx", "group": "patient"}
    for frame in (pd.DataFrame(columns), pl.DataFrame(texts), pa.table(texts)):
        dataset = read_dataset(frame, columns=roles, table_columns=["age"])
        assert dataset.label_names() == ["b", "a", "b", "a"]
        assert dataset.group_names == ("1", "2")
        assert [column.name for column in dataset.columns] == ["age"]
        assert dataset.names[0] == paths[0].as_posix()
    with pytest.raises(DataError, match=r"the data frame has no label column\. Unknown column 'label'"):
        read_dataset(pd.DataFrame(columns), columns={"image": "file"})
    with pytest.raises(DataError, match=r"column 'dx'\) is missing .* in 1 row.*: 2"):
        read_dataset(pd.DataFrame({**columns, "dx": ["b", None, "b", "a"]}), columns=roles)


def test_frames_of_pictures_have_labels_too(pixels: np.ndarray) -> None:
    frame = pd.DataFrame({"image": list(pixels), "label": list("abab")})
    dataset = read_dataset(frame)
    assert dataset.label_names() == list("abab")
    np.testing.assert_array_equal(np.asarray(dataset.load(3)), pixels[3])
    with pytest.raises(DataError, match="Row 2 of data is None, which is no path"):
        read_dataset(pd.DataFrame({"image": [*pixels[:2], None, pixels[3]], "label": list("abab")}))


def test_items_of_torch_have_labels(pixels: np.ndarray) -> None:
    assert read_dataset(Pairs(pixels, ["a", "b", "a", "b"])).label_names() == ["a", "b", "a", "b"]
    assert read_dataset(Pairs(pixels, [torch.tensor(1), 0, np.int64(1), 0])).label_names() == ["1", "0", "1", "0"]
    named = Pairs(pixels, [0, 1, 0, 1])
    named.classes, named.targets = ["cat", "dog"], torch.tensor([1, 1, 0, 0])
    assert read_dataset(named).label_names() == ["dog", "dog", "cat", "cat"]
    assert named.most == 1, "targets tell the labels, so the first image alone is looked at"
    named.targets = [0, 1, 2, 0]
    with pytest.raises(DataError, match="label of item 2 is 2, and there are 2 classes"):
        read_dataset(named)
    alone = read_dataset(torch.utils.data.TensorDataset(torch.zeros(2, 3, 5, 5)))
    assert alone.labels is None
    assert "no labels" in alone.notes[0]


def test_labels_of_torch_that_are_changed_missing_or_several(pixels: np.ndarray) -> None:
    changed = Pairs(pixels, [1, 1, 0, 0])
    changed.classes, changed.targets, changed.target_transform = ["cat", "dog"], [0, 0, 1, 1], lambda code: 1 - code
    assert read_dataset(changed).label_names() == ["1", "1", "0", "0"], "the items' own labels, not the targets"
    with pytest.raises(DataError, match=r"labels are missing \(empty, None or NaN\) in 1 row"):
        read_dataset(Pairs(pixels, [0, 1, None, 1]))
    with pytest.raises(DataError, match="label of item 1 holds several numbers"):
        read_dataset(Pairs(pixels, [torch.tensor(0), torch.tensor([0, 1, 0]), 1, 1]))


def test_a_frame_with_two_columns_of_one_name_is_refused(pixels: np.ndarray) -> None:
    frame = pd.DataFrame([[pixels[0], "a", "b"]], columns=["image", "label", "label"])
    with pytest.raises(DataError, match="several columns called 'label'"):
        read_dataset(frame)


def test_data_sets_of_hugging_face(pixels: np.ndarray, paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"img": datasets.Image(), "fine": datasets.ClassLabel(names=["cat", "dog"])})
    columns = {"img": [str(path) for path in paths], "fine": [1, 0, 1, 0]}
    given = datasets.Dataset.from_dict(columns, features=features)
    dataset = read_dataset(given)
    assert dataset.label_names() == ["dog", "cat", "dog", "cat"]
    assert dataset.content_hash(1) == as_dataset(paths).content_hash(1), "taken as the file is stored"
    for one, expected in zip(shown(given.with_format("torch")), pixels, strict=True):
        np.testing.assert_array_equal(one, expected)
    assert len(shown(given["img"])) == N, "a column alone, read lazily"
    unlabelled = datasets.Dataset.from_dict({**columns, "fine": [1, -1, 1, 0]}, features=features)
    assert len(as_dataset(unlabelled)) == N
    with pytest.raises(DataError, match=r"label -1 in row 1.*not labelled"):
        read_dataset(unlabelled)
    with pytest.raises(DataError, match=r"mapping of 'train', 'test'\. Choose one of them: images\['train'\]"):
        as_dataset(datasets.DatasetDict({"train": given, "test": given}))
    with pytest.raises(DataError, match="data set without a length"):
        as_dataset(given.to_iterable_dataset())


# Repeated paths


def test_a_repeated_path_keeps_its_rows_where_each_is_predicted(paths: list[Path]) -> None:
    dataset = as_dataset([*paths, paths[0]])
    assert len(dataset) == N + 1
    assert dataset.names[0] == dataset.names[N]


def test_a_repeated_path_counts_once_where_it_is_trained_on(paths: list[Path]) -> None:
    twice = [*paths, paths[0], paths[1]]
    dataset = ImageDataset.from_images(twice, list("ababab"), weights=[1, 2, 3, 4, 1, 2])
    assert len(dataset) == N
    assert dataset.weights.tolist() == [1, 2, 3, 4]
    assert dataset.notes == ("2 rows repeat another exactly and were dropped.",)
    for columns, words in (({"labels": list("ababbb")}, "labels"), ({"weights": [1, 2, 3, 4, 5, 2]}, "weights")):
        with pytest.raises(DataError, match=rf"1 image is listed more than once, with different {words}: .*0\.png"):
            ImageDataset.from_images(twice, **columns)
    assert len(read_dataset(twice)) == N


# Refusals


def refused() -> dict[str, object]:
    floats = np.array([0.0, 300.0] * 8, np.float32).reshape(4, 4)
    return {
        r"Row 1 of images is None, which is no path": ["a.png", None],
        r"Row 0 of images is ''": [""],
        r"Row 1 of images is an array .*from 0 to 300\); bring them to 0\.\.1.*scale=\(black, white\)": [
            floats / 300,
            floats,
        ],
        r"Row 0 of images is an array .*NaN or infinity": [np.full((4, 4), np.nan)],
        r"shape \(4, 4\) and type float32, and holds NaN": np.full((4, 4), np.nan, np.float32),
        r"Row 0 of images is an array .*int64; whole numbers .*astype\('uint8'\)": [np.zeros((4, 4), np.int64)],
        r"type bool.*\* 255": np.zeros((2, 4, 4), dtype=bool),
        r"shape \(2, 3, 90, 90\).*numpy\.moveaxis": np.zeros((2, 3, 90, 90), np.uint8),
        r"tensor of shape \(90, 80, 3\).*tensor\.permute\(2, 0, 1\)": torch.zeros(90, 80, 3),
        r"tensor of shape \(2, 90, 80, 3\).*permute\(0, 3, 1, 2\)": torch.zeros(2, 90, 80, 3),
        r"tensor of shape \(9, 80, 70\).*tensor\.unsqueeze\(1\)": torch.zeros(9, 80, 70),
        r"tensor of shape \(5,\); expected \(channels, height, width\) or": torch.zeros(5),
        r"Row 0 of images is a tensor .*; expected \(channels, height, width\)\.": [torch.zeros(1, 3, 4, 4)],
        r"Row 0 of images is a Pillow image of mode F.*convert it": [Image.new("F", (3, 3))],
        r"Row 0 of images is empty bytes": [b""],
        r"Row 0 of images is a mapping without": [{"path": None, "bytes": None}],
        r"Complex data not supported": np.zeros((2, 4, 4), dtype=complex),
        r"Sparse data not supported": csr_array((2, 2)),
        r"single str, 'nowhere\.png', and no file lies there.*from_folder": "nowhere.png",
        r"single int\. Expected": 7,
        r"single generator, whose pictures can be read once": (path for path in ("a.png",)),
        r"give its data set: loader\.dataset": torch.utils.data.DataLoader(
            Pairs(np.zeros((1, 4, 4, 3), np.uint8), [0])
        ),
        r"columns a, b, none of them called 'image'": pd.DataFrame({"a": ["x"], "b": ["y"]}),
        r"table of shape \(1, 2\)": np.array([["a", "b"]]),
    }


@pytest.mark.parametrize(("words", "given"), refused().items(), ids=lambda value: "")
def test_what_is_no_picture_is_refused_with_its_row_and_remedy(words: str, given: object) -> None:
    with pytest.raises(DataError, match=words):
        as_dataset(given)


def test_a_folder_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a folder lies there.*ImageDataset\.from_folder\(path\)"):
        as_dataset(tmp_path)


def test_no_pictures_are_an_empty_data_set() -> None:
    for none in ([], np.zeros((0, 5, 5)), torch.zeros(0, 3, 5, 5), pd.DataFrame({"image": []})):
        assert len(as_dataset(none)) == 0


def test_streams_have_no_length() -> None:
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            yield 0

    with pytest.raises(DataError, match=r"Stream is a data set without a length.*__getitem__"):
        as_dataset(Stream())


def test_an_item_that_fails_later_is_an_unreadable_image(pixels: np.ndarray) -> None:
    class Failing(Pairs):
        def __getitem__(self, row: int) -> tuple[object, object]:
            if row == 2:
                raise OSError("the tape is torn")
            return super().__getitem__(row)

    dataset = as_dataset(Failing(pixels, [0] * N))
    dataset.load(1)
    with pytest.raises(ImageError, match=re.escape("000002: cannot be fetched (OSError: the tape is torn)")):
        dataset.load(2)
    with pytest.raises(DataError, match="Item 2 of the data set cannot be fetched"):
        read_dataset(Failing(pixels, [0] * N))


def test_half_a_picture_is_refused_however_it_comes(paths: list[Path]) -> None:
    whole = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(whole, "JPEG")
    half = whole.getvalue()[: len(whole.getvalue()) // 2]
    for given in ([half], [{"bytes": half}], [Image.open(io.BytesIO(half))]):
        with pytest.raises(ImageError, match="damaged or truncated"):
            as_dataset(given).load(0)


def test_options_of_reading_files_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(DataError, match="partition says how files are read, but these data are in memory"):
        read_dataset(pixels, partition="train")
    with pytest.raises(DataError, match="columns says how"):
        read_dataset(Pairs(pixels, [0] * N), columns={"label": "dx"})


def test_a_scale_may_be_stated(pixels: np.ndarray) -> None:
    dataset = ImageDataset.from_images([pixels[0] * 2.0, pixels[1] * 2.0], ["a", "b"], scale=(0, 510))
    np.testing.assert_array_equal(np.asarray(dataset.load(1)), pixels[1])
    for whole in (pixels, list(pixels)):
        with pytest.raises(DataError, match="type uint8, whose scale is fixed; leave the scale out"):
            ImageDataset.from_images(whole, scale=(0, 1))
    with pytest.raises(DataError, match="The scale is"):
        ImageDataset.from_images(pixels / 1.0, scale=(1, 1))
    with pytest.raises(DataError, match="and 2 channels are named"):
        ImageDataset.from_images(list(pixels), channels=["a", "b"])
