"""Exceptions and the parts that their messages share."""

from __future__ import annotations

import pickle

import pytest

from headstart import errors
from headstart.errors import HeadstartError, ImageError, InputError, first_few, unknown_name


def test_every_error_is_of_one_family_and_says_how_to_leave() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) > 10
    for kind in kinds:
        assert issubclass(kind, HeadstartError)
        assert kind.exit_code == (2 if issubclass(kind, InputError) else 1)


def test_an_image_error_crosses_to_another_process() -> None:
    again = pickle.loads(pickle.dumps(ImageError("a/1.png", "the file is empty")))
    assert (str(again), again.name, again.reason) == ("a/1.png: the file is empty", "a/1.png", "the file is empty")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("vgg91", "Did you mean 'vgg19'?"), ("VGG19", "Did you mean 'vgg19'?"), ("net", "Did you mean 'resnet50'?")],
)
def test_an_unknown_name_lists_the_close_ones(name: str, hint: str) -> None:
    message = unknown_name("backbone", name, ["vgg19", "resnet50"])
    assert message == f"Unknown backbone {name!r}. {hint} Known: resnet50, vgg19."


def test_long_lists_are_cut() -> None:
    known = [f"name{number:02d}" for number in range(30)]
    assert unknown_name("thing", "?", known) == f"Unknown thing '?'. Known: {', '.join(known[:20])}, ...."
    assert first_few(known) == "name00, name01, name02, name03, name04 and 25 more"
    assert first_few(iter(known[:5])) == "name00, name01, name02, name03, name04"
    assert first_few([]) == ""
