"""A file of options: what it may say, what it may not, and how it stands beside a call and a command line."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import helpers
import pytest

sys.path.append(str(Path(__file__).parents[1] / "signals"))
from made_recordings import write_folder

import headstart
from headstart import CurveOptions, FitOptions, PretrainOptions, read_config
from headstart.errors import InputError, RunError
from headstart.study.execution.run_folder import stored_request
from headstart.study.execution.run_request import RunRequest
from headstart.workflow.options.config import given_options
from headstart.workflow.options.data import DataSource
from headstart.workflow.options.verbs import VERBS


def written(folder: Path, text: str) -> Path:
    path = folder / "headstart.toml"
    path.write_text(text, encoding="utf-8")
    return path


EXAMPLE = """
seed = 7
threads = 2

[fit]
folds = 3
resize = "pad"
strategy = ["feature-extraction", "fine-tune"]
unlock = [1, 2]
fine-tuning = {epochs = 3}
images = false
label_column = "diagnosis"
classes = ["b", "a"]

[curve]
at = [500]
metric = "brier"

[pretrain]
backbone = "resnet18"
epochs = 3
"""


def test_a_section_goes_before_what_is_common_and_each_verb_takes_its_own(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, EXAMPLE))
    expected = FitOptions(
        seed=7,
        threads=2,
        split="nested:3x4",
        resize="pad",
        strategy="feature-extraction,fine-tune",
        unlock="1,2",
        fine_tuning={"epochs": 3},
        images=False,
    )
    assert config.options(FitOptions) == expected
    assert config.options(FitOptions, "curve") == FitOptions(seed=7, threads=2)
    assert config.options(CurveOptions, "curve") == CurveOptions(at=(500,), metric="brier")
    assert config.options(PretrainOptions, "pretrain").settings.epochs == 3
    data = given_options("fit", {"config": config}).data("x.csv")
    assert data == DataSource("x.csv", columns={"label": "diagnosis"}, classes=("b", "a"))


@pytest.mark.parametrize("columns", ['"age, site:category"', '["age", "site:category"]'])
def test_a_list_of_names_may_be_a_text_with_commas(columns: str, tmp_path: Path) -> None:
    config = read_config(written(tmp_path, f"[fit]\ntable_columns = {columns}\n"))
    assert given_options("fit", {"config": config}).data("x.csv").table_columns == ("age", "site:category")


def test_what_a_call_says_goes_before_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, EXAMPLE)
    found = given_options("fit", {"config": path, "seed": 1, "split": "nested:4x2"}).options(FitOptions)
    assert (found.seed, found.split, found.threads) == (1, "nested:4x2", 2)
    with pytest.raises(InputError, match="config and an object of options exclude each other"):
        given_options("fit", {"config": path}).options(FitOptions, FitOptions())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sed = 1", r"line 1: Unknown key or section 'sed'. Did you mean 'seed'\?"),
        ("\n[fitt]\nseed = 1", r"line 2: Unknown key or section 'fitt'. Did you mean 'fit'\?"),
        ("seed = 1\n[fit]\n\nresiz = 'pad'", r"line 4: Unknown key of \[fit\] 'resiz'. Did you mean 'resize'\?"),
        ("fit = 3", r"line 1: fit is a section, not a key. Write \[fit\] on a line of its own"),
        ("[[fit]]\nseed = 1", r"line 1: fit is a section, not a key"),
        ("[fit]\nbackbone = [['resnet18']]", r"line 2: backbone is \[\['resnet18'\]\]; expected text"),
        ("[fit]\nresize = 'sqash'", r"line 2: Unknown resize 'sqash'. Did you mean 'squash'\?"),
        ("[fit]\nseed = '1'", "line 2: seed is '1'; expected a whole number, 0 to"),
        ("[fit]\nseed = 1.5", "line 2: seed is 1.5; expected a whole number"),
        ("[fit]\nseed = true", "line 2: seed is True; expected a whole number"),
        ("[fit]\nbatch-size = 0", "line 2: batch_size is 0; expected 1 to 1,024."),
        ("[fit]\nbatch-size = 1\nbatch_size = 1", "batch_size is given twice"),
        ("[fit]\ntta = 'yes'", "line 2: tta is 'yes'; expected True or False."),
        ("[fit]\nfolds = 1", "line 2: folds is 1; expected a whole number, 2 or more."),
        ("[pretrain]\nepochs = 0", "line 2: epochs is 0; expected 1 to 10,000."),
        ("[curve]\ngrid = 'wide'", r"line 2: Unknown key of \[curve\] 'grid'"),
        (
            "[fit]\nweights = 'w.pth'",
            "line 2: weights is never taken from a file of options: it says which",
        ),
        ("[pretrain]\nweights = 'w.pth'", "weights is never taken from a file of options"),
        ("output = 'there'", "line 1: output is never taken from a file of options: it says where files are written."),
        ("data = 'there'", "data is never taken from a file of options"),
        ("cache = '/there'", "cache is never taken from a file of options: it says where files are written."),
        (
            "[fit]\nallow-outside = true",
            "line 2: allow_outside is never taken from a file of options: it says where",
        ),
        ("[fit]\nroot = '/'", "root is never taken from a file of options: it says where images are read from."),
        ("offline = false", "line 1: offline is never taken from a file of options: it says whether the network"),
        ("[fit", "is no valid TOML"),
        ("a = " + "[" * 5000, "is no valid TOML"),
    ],
)
def test_what_a_file_may_not_say_is_refused_with_file_and_line(text: str, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}.*{message}"):
        read_config(path)


@pytest.mark.parametrize(
    ("verb", "text", "message"),
    [
        ("fit", "[fit]\nmetric = 'log_los'", r"Unknown .*'log_los'. Did you mean 'log_loss'"),
        ("fit", "[fit]\ncache_limit = 'plenty'", "plenty"),
        ("fit", "[fit]\nsplit = 'nested:3x4'\nfolds = 3", "folds is short for split; give one of the two."),
        ("pretrain", "precision = 'int8'", "line 1: Unknown precision 'int8'"),
    ],
)
def test_what_a_verb_cannot_use_is_refused_with_the_file(verb: str, text: str, message: str, tmp_path: Path) -> None:
    config = read_config(written(tmp_path, text))
    with pytest.raises(InputError, match=f"^{re.escape(str(config.path))}.*{message}"):
        config.of_verb(verb)


def test_what_is_no_file_of_options_is_refused(tmp_path: Path) -> None:
    for path, words in ((tmp_path, "is no file"), (tmp_path / "none.toml", "is no file")):
        with pytest.raises(InputError, match=words):
            read_config(path)
    (tmp_path / "latin.toml").write_bytes(b"domain = '\xe9'")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_config(tmp_path / "latin.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(InputError, match="larger than 1 MB"):
        read_config(tmp_path / "large.toml")


@pytest.mark.parametrize("text", ["backbone = 'vgg19'", "grid = 'paper'"])
def test_networks_that_a_file_names_are_never_downloaded(text: str, tmp_path: Path) -> None:
    path = written(tmp_path, f"[fit]\n{text}\n")
    assert given_options("fit", {"config": path}).options(FitOptions).offline
    name = text.partition(" ")[0]
    named = given_options("fit", {"config": path, name: text.split("'")[1]}).options(FitOptions)
    assert not named.offline


def test_a_study_that_names_weights_is_not_taken_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text('[[source]]\nbackbone = "vgg19"\nweights = "w.pth"\n[[head]]\nkind = "knn"\n')
    path = written(tmp_path, '[fit]\nstudy = "study.toml"\n')
    with pytest.raises(InputError, match=r"study is .*study\.toml, which names files of weights"):
        given_options("fit", {"config": path})
    (tmp_path / "study.toml").write_text('[[head]]\nkind = "knn"\n')
    found = given_options("fit", {"config": path}).options(FitOptions)
    assert found.study == str(tmp_path / "study.toml") and found.offline


def test_paths_start_from_the_folder_of_the_file(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, "[fit]\nsplit = 'split.json'\naugment = ['none', 'own.toml', 'flips']\n"))
    found = config.options(FitOptions)
    assert found.split == str(tmp_path / "split.json")
    assert found.augment == f"none,{tmp_path / 'own.toml'},flips"


# On the command line --------------------------------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What `headstart fit` calls, noted instead of done."""
    made: list[tuple[Any, ...]] = []

    def note(data: Any, output: str, options: FitOptions, **about: Any) -> Any:
        made.append((data, options, about.get("request")))
        raise InputError("noted")

    monkeypatch.setattr("headstart.workflow.fit", note)
    return made


def run(*arguments: str) -> Any:
    from click.testing import CliRunner

    from headstart.cli import main

    return CliRunner().invoke(main, list(arguments))


def test_the_file_of_the_current_folder_is_used_and_the_command_line_wins(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: list[tuple[Any, ...]]
) -> None:
    written(tmp_path, EXAMPLE.replace('label_column = "diagnosis"\nclasses = ["b", "a"]\n', ""))
    monkeypatch.chdir(tmp_path)
    result = run("fit", str(folders), "-o", "out", "--seed", "1", "--split", "nested:5x2")
    assert "Options from headstart.toml: fine_tuning, no_images, resize, strategy, threads, unlock." in result.stderr
    ((_, options, request),) = calls
    assert (options.seed, options.split, options.resize, options.images) == (1, "nested:5x2", "pad", False)
    assert (options.unlock, options.fine_tuning) == ("1,2", "epochs=3")
    assert request.command_line[:3] == ("headstart", "fit", str(folders)) and "--seed" in request.command_line
    assert request.config["fit"]["folds"] == 3 and "path" not in request.config


def test_one_that_is_named_is_used_in_its_place(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: list[tuple[Any, ...]]
) -> None:
    written(tmp_path, "seed = 7")
    (tmp_path / "other.toml").write_text("threads = 2")
    monkeypatch.chdir(tmp_path)
    run("fit", str(folders), "-o", "out", "--config", "other.toml")
    assert (calls[0][1].seed, calls[0][1].threads) == (0, 2)


@pytest.mark.parametrize("data", [".", "labels.csv", "inside"])
def test_one_in_the_folder_of_the_data_is_not_used(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: list[tuple[Any, ...]]
) -> None:
    """Nor one that a link leads to."""
    (tmp_path / "inside").mkdir()
    (tmp_path / "labels.csv").write_text("image,label\n")
    path = written(tmp_path, "seed = 7")
    if data == "inside":
        path.rename(tmp_path / "inside" / "headstart.toml")
        path.symlink_to(tmp_path / "inside" / "headstart.toml")
    monkeypatch.chdir(tmp_path)
    result = run("fit", data, "-o", "out")
    assert calls[0][1].seed == 0
    assert "it is not used" in result.stderr and "--config headstart.toml" in result.stderr
    run("fit", data, "-o", "out", "--config", "headstart.toml")
    assert calls[1][1].seed == 7


@pytest.mark.parametrize("words", [["link.csv"], ["../else/labels.csv", "--root", "."]])
def test_one_beside_a_link_to_the_data_or_among_the_images_is_not_used(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: list[tuple[Any, ...]]
) -> None:
    for folder in ("received", "else"):
        (tmp_path / folder).mkdir()
    (tmp_path / "else" / "labels.csv").write_text("image,label\n")
    (tmp_path / "received" / "link.csv").symlink_to(tmp_path / "else" / "labels.csv")
    written(tmp_path / "received", "seed = 7")
    monkeypatch.chdir(tmp_path / "received")
    result = run("fit", *words, "-o", "out")
    assert calls[0][1].seed == 0 and "it is not used" in result.stderr


def test_a_wrong_file_ends_with_2_and_writes_nothing(folders: Path, tmp_path: Path, monkeypatch: Any) -> None:
    written(tmp_path, "[curve]\nsizs = 5")
    monkeypatch.chdir(tmp_path)
    for verb in ("fit", "curve", "check"):
        result = run(verb, str(folders), *(() if verb == "check" else ("-o", "out")))
        assert result.exit_code == 2 and "headstart.toml, line 2: Unknown key of [curve] 'sizs'" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["headstart.toml"]
    assert run("fit", "--help").exit_code == 0


@pytest.mark.parametrize("verb", ["check", "fit", "curve", "pretrain", "evaluate", "signals fit", "signals show"])
def test_help_names_the_file(verb: str) -> None:
    words = verb.split()
    text = " ".join(run(*words, "--help").output.split())
    assert "Options may stand in headstart.toml, or in a file of another name (--config FILE)." in text
    assert "--config FILE File of options." in " ".join(run(*words, "--help-all").output.split())


def test_the_example_of_the_docs_is_taken_by_every_verb(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "config.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    config = read_config(written(tmp_path, example))
    assert {verb: len(config.of_verb(verb)) > 0 for verb in VERBS} == dict.fromkeys(VERBS, True)
    listed = re.search(r"Options from headstart.toml: (.*)\.", page)
    assert listed is not None and set(listed[1].split(", ")) == {*config.of_verb("fit"), "offline"} - {"seed"}


def test_recordings_take_a_section_of_their_own(tmp_path: Path, monkeypatch: Any) -> None:
    ring = write_folder(tmp_path / "ring", 4)
    path = written(
        tmp_path, "seed = 7\n[fit]\nfolds = 4\n[signals]\nwindow = '20s'\nlabel-rule = 'majority'\nsplit = 'nested:2x2'"
    )
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        "headstart.workflow.signals.estimate_signals", lambda *given, **_: asked.append(given) or {"seconds": {}}
    )
    monkeypatch.setattr("headstart.cli.output.print_plan", lambda plan: None)
    fitting = ("signals", "fit", str(ring), "-o", str(tmp_path / "out"), "--estimate", "--config", str(path))
    result = run(*fitting, "--label-rule", "centre")
    assert result.exit_code == 0, result.output
    assert "Options from" in result.stderr and "seed, split, window." in result.stderr
    (_, _, recordings, options), *_ = asked
    assert (recordings.window, recordings.label_rule) == ("20s", "centre")
    assert (options.seed, options.split) == (7, "nested:2x2")
    shown = run("signals", "show", str(ring), "-o", str(tmp_path / "sheet.png"), "--config", str(path))
    assert shown.exit_code == 0 and (tmp_path / "sheet.png").is_file()
    assert "label_rule, window." in shown.stderr, "what the command does not have is left out"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[signals]\nwindw = '20s'", "line 2: Unknown key of [signals] 'windw'. Did you mean 'window'?"),
        ("[signals]\nstandardise = 'windw'", "line 2: Unknown standardise 'windw'. Did you mean 'window'?"),
        ("[signals]\nnormalise = 'dataset'", "line 2: Unknown key of [signals] 'normalise'"),
        ("[signals]\nweights = 'w.pt'", "line 2: weights is never taken from a file of options"),
    ],
)
def test_a_wrong_section_of_recordings_is_refused_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    ring, path = write_folder(tmp_path / "ring", 2), written(tmp_path, text)
    given = ("signals", "fit", str(ring), "-o", str(tmp_path / "out"), "--window", "20s", "--config", str(path))
    result = run(*given)
    assert result.exit_code == 2 and words in result.stderr, result.stderr
    assert not (tmp_path / "out").exists()


# In the record of a run -----------------------------------------------------------------------------------------------


def test_a_run_records_the_file_and_resumes_by_what_the_options_come_to(
    folders: Path, tmp_path: Path, no_figures: None
) -> None:
    quick = {"weights": "random", "threads": 1, "device": "cpu", "cache": None, "baselines": False}
    quick["explanations"] = False
    network = f"backbone = '{helpers.BACKBONE}'\ninput_size = {helpers.SIDE}"
    path = written(tmp_path, f"[fit]\n{network}\nsplit = 'nested:3x2'")
    made = headstart.fit(folders, tmp_path / "run", config=path, **quick)
    asked = stored_request(made.folder)
    assert asked is not None and asked.command_line == ()
    assert asked.config == {"fit": {"backbone": helpers.BACKBONE, "input_size": helpers.SIDE, "split": "nested:3x2"}}
    before = helpers.tree(made.folder)
    again = headstart.fit(folders, made.folder, helpers.options(study=None))  # the same, said in another way
    assert again.results == made.results and helpers.tree(made.folder) == before
    with pytest.raises(RunError, match=r"seed is 0 there, 3 here"):
        headstart.fit(folders, made.folder, config=path, seed=3, **quick)
    content = json.loads((made.folder / "run.json").read_text())
    (made.folder / "run.json").write_text(json.dumps(content | {"request": {"config": {}, "command_line": 3}}))
    with pytest.raises(RunError, match=r"request.command_line should be a list of text"):
        stored_request(made.folder)


def test_a_request_is_read_as_it_was_written() -> None:
    one = RunRequest(("headstart", "fit"), {"fit": {"seed": 1, "at": [1, 2]}})
    assert RunRequest.from_json(json.loads(json.dumps(one.to_json()))) == one
    for wrong in (3, {"config": {}}, {"command_line": ["a"], "config": 1}):
        with pytest.raises(ValueError, match="request"):
            RunRequest.from_json(wrong)
