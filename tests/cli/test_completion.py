"""Shells complete verbs, options and values, lists of them too, without loading anything heavy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from click.shell_completion import get_completion_class

from headstart.augment import POLICIES
from headstart.backbones.registry import ENTRIES
from headstart.balance import METHODS
from headstart.cli import main
from headstart.cli.completion import register_shells
from headstart.metrics.registry import selection_metrics
from headstart.workflow.options import names

SHELLS = ("bash", "zsh", "fish")


@pytest.fixture(params=SHELLS)
def answers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Values that a shell is offered after what is typed; ``file`` for its own completion of paths."""
    register_shells()
    shell = get_completion_class(request.param)
    assert shell is not None

    def complete(typed: str) -> list[str]:
        words = f"headstart {typed}".split(" ")
        if request.param == "fish":  # hands over the line and the word, not a place in the line
            monkeypatch.setenv("COMP_WORDS", " ".join(words[:-1]))
            monkeypatch.setenv("COMP_CWORD", words[-1])
        else:
            monkeypatch.setenv("COMP_WORDS", " ".join(words))
            monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        text = shell(main, {}, "headstart", "_HEADSTART_COMPLETE").complete()
        return _values(request.param, text)

    return complete


def _values(shell: str, text: str) -> list[str]:
    lines = text.splitlines()
    if shell == "zsh":
        assert len(lines) % 3 == 0
        pairs = [(lines[place], lines[place + 1].replace("\\:", ":")) for place in range(0, len(lines), 3)]
    else:
        pairs = [(kind, value.split("\t")[0]) for kind, _, value in (line.partition(",") for line in lines)]
    return [value if kind == "plain" else kind for kind, value in pairs]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("bac", ["backbones"]),
        ("backbones s", ["show"]),
        ("fit --stra", ["--strategy"]),
        ("fit --backbone vgg1", ["vgg16", "vgg19"]),
        ("fit --backbone vgg19,resnet1", ["vgg19,resnet18", "vgg19,resnet101", "vgg19,resnet152"]),
        ("fit --backbone vgg19,vgg", ["vgg19,vgg16"]),
        ("fit --metric roc", ["roc_auc"]),
        ("fit --metric ec", []),
        ("fit --grid ", ["quick", "wide", "paper"]),
        ("fit --balance smote,bor", ["smote,borderline-smote"]),
        ("fit --augment di", ["dihedral"]),
        ("fit --image-kind de", ["dermoscopy"]),
        ("fit --strategy feature-extraction,", ["feature-extraction,fine-tune", "feature-extraction,scratch"]),
        ("fit --unlock 2,a", ["2,all"]),
        ("fit --precision b", ["bf16"]),
        ("fit --calibrate p", ["platt"]),
        ("fit --operating-point y", ["youden"]),
        ("fit --split h", ["holdout:60/20/20"]),
        ("fit --split runs/first/split", ["file"]),
        ("fit --augment views.t", ["file"]),
        ("fit --weights ", ["file"]),
        ("fit --weights ran", ["random"]),
        ("fit --partition t", ["train", "test"]),
        ("fit ph", ["file"]),
        ("curve --metric bal", ["balanced_accuracy"]),
        ("pretrain --backbone xc", ["xception"]),
        ("pretrain --precision m", ["measure"]),
        ("backbones show densenet16", ["densenet169"]),
        ("backbones fetch vgg16 vgg1", ["vgg16", "vgg19"]),
        ("predict runs/first ne", ["file"]),
    ],
)
def test_values_are_completed(typed: str, expected: list[str], answers: Callable[[str], list[str]]) -> None:
    assert answers(typed) == expected


def test_every_verb_is_completed(answers: Callable[[str], list[str]]) -> None:
    assert {"check", "fit", "curve", "pretrain", "predict", "evaluate", "compare", "report"} <= set(answers(""))


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_for_the_shell_is_printed(shell: str) -> None:
    code = "import sys; sys.argv[0] = 'headstart'; from headstart.cli import main; main()"
    command = ["env", f"_HEADSTART_COMPLETE={shell}_source", sys.executable, "-c", code]
    script = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert f"_HEADSTART_COMPLETE={shell}_complete" in script
    assert ("string split --max 1" in script) == (shell == "fish")


def test_names_read_from_the_files_are_those_of_the_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(names.selection_metrics()) == list(selection_metrics())
    monkeypatch.delitem(sys.modules, "headstart.metrics.registry")
    assert list(names.selection_metrics()) == list(selection_metrics())
    assert list(names.backbone_names()) == list(ENTRIES)
    assert list(names.policy_names()) == [*POLICIES, "auto"]
    assert list(names.balance_names()) == list(METHODS)


def test_a_constant_that_is_not_there_is_no_list_of_nothing() -> None:
    with pytest.raises(LookupError, match=r"balance/registry\.py writes out no NOTHING"):
        names._constant("balance/registry.py", "NOTHING")


@pytest.mark.parametrize("typed", ["fit --metric r", "fit --backbone v", "fit --balance s", "fit --augment d"])
def test_nothing_heavy_is_imported_for_a_completion_nor_other_commands(typed: str) -> None:
    code = (
        "import sys; sys.argv[0] = 'headstart'\n"
        "from headstart.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'timm', 'pydantic', 'rich', 'PIL', 'headstart.cli.commands.pretrain'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    asked = ["_HEADSTART_COMPLETE=bash_complete", f"COMP_WORDS=headstart {typed}", "COMP_CWORD=3"]
    command = ["env", *asked, sys.executable, "-c", code]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    assert lines[0].startswith("plain,")
    assert lines[-1] == "[]"
