"""The search space: counted without listing, one order, built-in grids, study.toml and its mistakes."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.errors import InputError
from headstart.heads import HeadSpec, grid, searchable_kinds
from headstart.study.search.builtin import PAPER_BACKBONES, built_in_space, tables_of
from headstart.study.search.candidate import FeatureSourceSpec
from headstart.study.search.halving.plan import HalvingPlan
from headstart.study.search.schema import schema_bytes
from headstart.study.search.space import MAX_CANDIDATES, HeadTable, Sample, Space
from headstart.study.search.toml import main as print_schema
from headstart.study.search.toml import read_space

DENSE = {"activation": ["relu", "tanh"], "dropout": [0.3, 0.5, 0.7], "epochs": [10, 20]}
MANY = {"units": list(range(1, 101)), "batch_size": list(range(1, 101)), "epochs": list(range(1, 1001))}


def small_space(**options) -> Space:
    tables = (HeadTable.of("dense", DENSE), HeadTable.of("logistic", {"C": [0.01, 0.1]}))
    return Space((FeatureSourceSpec("vgg19"), FeatureSourceSpec("resnet50", input_size=300)), tables, **options)


def written(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


# What a space holds


def test_a_space_is_every_source_with_every_combination_in_one_order():
    heads = [
        HeadSpec("dense", {"activation": a, "dropout": d, "epochs": e})
        for a, d, e in itertools.product(*DENSE.values())
    ]
    heads += [HeadSpec("logistic", {"C": C}) for C in (0.01, 0.1)]
    space = small_space()
    found = space.candidates()
    assert space.count() == len(found) == 2 * (12 + 2)
    assert [(candidate.source, candidate.head) for candidate in found] == [
        (source, head) for source in space.sources for head in heads
    ]
    assert len({candidate.label for candidate in found}) == len(found)


def test_the_order_of_keys_in_a_table_does_not_matter():
    assert HeadTable.of("dense", DENSE) == HeadTable.of("dense", dict(reversed(DENSE.items())))


@pytest.mark.parametrize("name", ["quick", "wide"])
def test_built_in_grids_hold_the_heads_of_their_name(name):
    space = built_in_space(name)
    heads = [candidate.head for candidate in space.candidates()]
    assert set(heads) == set(grid(name)) and space.count() == len(heads) == len(grid(name))
    assert len(space.tables) < len(heads)


def test_the_paper_grid_is_four_networks_times_324_heads():
    space = built_in_space("paper")
    assert tuple(source.backbone for source in space.sources) == PAPER_BACKBONES and space.count() == 1296
    names = ("activation", "dropout", "optimizer", "batch_size", "epochs")
    product = set(
        itertools.product(
            ("relu", "sigmoid", "tanh"),
            (0.3, 0.5, 0.7),
            ("momentum", "rmsprop", "adam", "adamax"),
            (32, 128, 256),
            (10, 20, 30),
        )
    )
    for source in space.sources:
        heads = [candidate.head for candidate in space.candidates() if candidate.source == source]
        assert len(heads) == 324 and {tuple(head.settings[name] for name in names) for head in heads} == product
        assert {head.settings["units"] for head in heads} == {256}
    assert len(space.tables) == 3  # one for each learning rate; RMSprop and Adam share theirs


def test_tables_of_any_heads_hold_each_once():
    heads = [*grid("wide"), HeadSpec("knn", {"k": 7}), HeadSpec("dense", {"units": 9, "dropout": 0.1})]
    tables = tables_of(heads)
    found = [table.head(index) for table in tables for index in range(table.count())]
    assert len(found) == len(heads) and set(found) == set(heads)


# Size


def test_ten_million_candidates_are_refused_with_count_and_remedies():
    table = HeadTable.of("dense", MANY)
    assert table.count() == 10_000_000  # known without listing them
    with pytest.raises(InputError) as refusal:
        Space((FeatureSourceSpec(),), (table,), name="study.toml")
    message = str(refusal.value)
    assert message.startswith("study.toml holds 10,000,000 candidates (1 source x 10,000,000 heads)")
    assert "at most 20,000" in message and "'epochs' has 1000" in message and "[sample] table" in message
    assert "[halving]" not in message  # would not help


def test_halving_takes_more_and_is_offered_where_it_helps():
    table = HeadTable.of("dense", {"units": list(range(1, 301)), "epochs": list(range(1, 101))})
    with pytest.raises(InputError, match=r"30,000 candidates.*\[halving\] table \(up to 100,000"):
        Space((FeatureSourceSpec(),), (table,))
    assert Space((FeatureSourceSpec(),), (table,), halving=HalvingPlan()).count() == 30_000


def test_a_sample_of_a_huge_space_is_different_candidates_of_it_and_repeats():
    rates = [10.0**-power for power in range(1, 10)]
    table = HeadTable.of("dense", MANY | {"learning_rate": rates, "weight_decay": rates, "dropout": [0.1, 0.2]})
    space = Space((FeatureSourceSpec(), FeatureSourceSpec("vgg19")), (table,), sample=Sample(500, seed=3))
    found = space.candidates()
    assert space.n_points() > 10**9 and space.count() == len(found) == 500
    assert len({candidate.label for candidate in found}) == 500
    assert found == space.candidates() != replace(space, sample=Sample(500, seed=4)).candidates()
    from_second = sum(candidate.source.backbone == "vgg19" for candidate in found)
    assert 200 < from_second < 300  # all equally likely: 250 with a deviation of 11
    assert all(candidate.head.settings["units"] in MANY["units"] for candidate in found)


def test_a_space_whose_candidates_cannot_be_numbered_is_refused():
    many = {name: list(range(1, 1001)) for name in ("units", "batch_size", "epochs")}
    many |= {name: np.linspace(0.0, 0.9, 1000).tolist() for name in ("dropout", "weight_decay", "label_smoothing")}
    table = HeadTable.of("dense", many | {"learning_rate": np.linspace(1e-4, 1.0, 1000).tolist()})
    with pytest.raises(InputError, match=r"holds 1.0e\+21 candidates, more than the 9.2e\+18 .* List fewer values"):
        Space((FeatureSourceSpec(),), (table,), sample=Sample(50))


def test_a_sample_larger_than_the_space_is_the_space():
    assert small_space(sample=Sample(10_000)).candidates() == small_space().candidates()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Space((), (HeadTable.of("svm", {}),)), "names no sources of features, so there is nothing to try"),
        (lambda: Space((FeatureSourceSpec(),), ()), "names no heads, so there is nothing to try"),
        (
            lambda: Space((FeatureSourceSpec("a"), FeatureSourceSpec("a")), (HeadTable.of("svm", {}),)),
            "names the source 'a' twice",
        ),
        (lambda: HeadTable.of("dense", {"epochs": []}), "'epochs' of the dense heads lists no value"),
        (lambda: HeadTable.of("dense", {"dropout": [0.5, 1.0]}), "must be a number >= 0 and < 1, not 1.0"),
        (lambda: HeadTable.of("svm", {"C": [1, 1.0]}), "lists a value twice: 1.0, 1.0"),
        (lambda: HeadTable.of("smv", {}), "Unknown kind of head 'smv'. Did you mean 'svm'"),
        (lambda: built_in_space("widest"), "Unknown grid of heads 'widest'. Did you mean 'wide'"),
        (lambda: Sample(0), "expected n >= 1"),
        (
            lambda: Space(
                (FeatureSourceSpec(),), (HeadTable.of("svm", {"C": [1, 2]}), HeadTable.of("svm", {"C": [2, 3]}))
            ),
            "holds the head 'RBF SVM C = 2, gamma x 0.5' twice: two of its tables overlap",
        ),
    ],
)
def test_spaces_that_make_no_sense_are_refused(make, words):
    with pytest.raises(InputError, match=re.escape(words)):
        made = make()
        made.candidates()


# study.toml


def test_a_file_becomes_a_space(tmp_path: Path):
    path = written(
        tmp_path,
        """
        grid = "quick"
        [[source]]
        backbone = ["vgg19", "densenet121"]
        input_size = [224, 300]
        [[source]]
        backbone = "resnet50"
        resize = "pad"
        [[head]]
        kind = "dense"
        activation = ["sigmoid", "tanh"]
        units = 64
        [[head]]
        kind = "lda"
        shrinkage = ["auto", 0.5]
        [halving]
        keep = 0.25
        folds = [1, 2]
        [sample]
        n = 10
        """,
    )
    space = read_space(path)
    assert [source.label for source in space.sources] == [
        "vgg19, 224 px",
        "vgg19, 300 px",
        "densenet121, 224 px",
        "densenet121, 300 px",
        "resnet50, pad",
    ]
    assert space.n_points() == 5 * (len(grid("quick")) + 2 + 2) and space.count() == 10
    assert space.halving == HalvingPlan(keep=0.25, folds=(1, 2)) and space.sample == Sample(10)
    assert HeadSpec("lda", {"shrinkage": 0.5}) in [
        candidate.head for candidate in replace(space, sample=None).candidates()
    ]


def test_a_file_without_sources_takes_the_one_of_the_command_line(tmp_path: Path):
    path = written(tmp_path, 'grid = "quick"')
    assert read_space(path).sources == (FeatureSourceSpec(),)
    assert read_space(path, source=FeatureSourceSpec("vgg16")).sources == (FeatureSourceSpec("vgg16"),)


HEAD = '[[head]]\nkind = "dense"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + "dropuot = 0.5", "[[head]] number 1 (dense): Unknown key 'dropuot'. Did you mean 'dropout'?"),
        (
            HEAD + HEAD + "dropout = [0.5, 1.0]",
            "[[head]] number 2 (dense): key 'dropout' must be a number >= 0 and < 1",
        ),
        (HEAD + "dropout = nan", "key 'dropout' must be a number >= 0 and < 1, not nan"),
        (HEAD + "units = 2.5", "key 'units' must be a whole number > 0, not 2.5"),
        (HEAD + "epochs = true", "key 'epochs' must be a whole number > 0, not True"),
        (HEAD + 'epochs = "ten"', "key 'epochs' must be a whole number > 0, not 'ten'"),
        (HEAD + 'activation = "gleu"', "key 'activation' must be one of relu, sigmoid, tanh"),
        (HEAD + "epochs = []", "key 'epochs' lists no value. Give at least one, or leave the key out."),
        (HEAD + "epochs = [5, 10, 5]", "key 'epochs' lists 5 twice"),
        ('[[head]]\nkind = "lda"\nshrinkage = ["auto", "none"]', "must be a number > 0 and < 1, or 'auto', not 'none'"),
        ('[[head]]\nkind = "dnse"', "[[head]] number 1: Unknown kind of head 'dnse'. Did you mean 'dense'"),
        ("[[head]]\nC = 1", "[[head]] number 1: key 'kind' is missing. Expected one of dense, logistic"),
        ('[head]\nkind = "svm"', "Key 'head': Input should be a valid list"),
        ("[[haed]]\nC = 1", "Unknown key 'haed'. Did you mean 'head'?"),
        ('grid = "quik"', "Key 'grid': Input should be 'quick'"),
        (
            "[[source]]\nbackbone = 'a'\ninput_size = 3",
            "[[source]] number 1: key 'input_size': Input should be greater",
        ),
        ("[[source]]\nbakcbone = 'a'", "[[source]] number 1: Unknown key 'bakcbone'. Did you mean 'backbone'?"),
        ("[[source]]\nresize = 'pda'", "[[source]] number 1: key 'resize': Input should be 'squash', 'crop' or 'pad'"),
        ("[[source]]\nbackbone = ['a', 'b']\nweights = 'w.pth'", "one file of weights cannot fit 2 backbones"),
        ("[sample]\nseed = 1", "[sample]: key 'n' is missing."),
        ("[halving]\nkeep = 1.0", "[halving]: key 'keep': Input should be less than 1"),
        (HEAD + "[halving]\nfolds = [2, 1]", "[halving]: folds are [2, 1]; expected inner folds seen after each rung"),
        ("", "names no heads, so there is nothing to try"),
        (HEAD + "dropout = ", "is no valid TOML"),
    ],
)
def test_mistakes_in_a_file_are_reported_with_file_table_and_key(tmp_path: Path, text, words):
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=re.escape(words)) as refusal:
        read_space(path)
    assert str(refusal.value).startswith(str(path))


def test_every_mistake_is_reported_and_many_are_counted(tmp_path: Path):
    text = HEAD + "dropout = [2.0, 3.0]\n" + "".join(f"wrong{i} = 1\n" for i in range(7))
    with pytest.raises(InputError) as refusal:
        read_space(written(tmp_path, text))
    lines = str(refusal.value).splitlines()
    assert len(lines) == 6 and lines[-1] == "4 more mistakes." and "not 2.0" in lines[0] and "not 3.0" in lines[1]


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="cannot be read"):
        read_space(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"grid = '\xe9'")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_space(tmp_path / "latin.toml")


def test_the_schema_that_is_printed_has_every_kind_of_head(capsys: pytest.CaptureFixture[str]):
    print_schema()
    schema = json.loads(capsys.readouterr().out)
    assert schema == json.loads(schema_bytes())
    heads = {name for name in schema["$defs"] if name.endswith("Heads")}
    assert len(heads) == len(searchable_kinds())
    dropout = schema["$defs"]["DenseHeads"]["properties"]["dropout"]["anyOf"][0]
    assert dropout == {"type": "number", "minimum": 0.0, "exclusiveMaximum": 1.0}
    assert all(schema["$defs"][name]["additionalProperties"] is False for name in heads)


def test_the_example_in_the_docs_is_read(tmp_path: Path):
    page = (Path(__file__).parents[2] / "docs" / "search.md").read_text(encoding="utf-8")
    examples = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert len(examples) >= 1
    for text in examples:
        tomllib.loads(text)
        space = read_space(written(tmp_path, text))
        count = re.search(r"([\d,]+) candidates", text)
        assert count is not None and space.count() == int(count[1].replace(",", "")) <= MAX_CANDIDATES


def test_the_command_line_does_not_wait_for_pydantic():
    code = (
        "import headstart.cli, headstart.study.search.space, headstart.report, sys; sys.exit('pydantic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
