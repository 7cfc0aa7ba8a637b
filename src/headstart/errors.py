"""Exceptions of headstart; every message says what was wrong, what was expected and what to do."""

from __future__ import annotations

from collections.abc import Iterable


class HeadstartError(Exception):
    """Base of every error headstart raises on purpose; the command line prints it without a traceback.

    ``exit_code`` is what the command line leaves with: 1 when the work failed, 2 when the call was misused.
    """

    exit_code = 1


class InputError(HeadstartError):
    """Input that cannot be used: a path, a table, an image, an option."""

    exit_code = 2


class ArgumentError(InputError, ValueError):
    """Unusable argument of a scikit-learn estimator; also a ValueError, as scikit-learn's callers expect."""


class DataError(InputError):
    """Data set that cannot be used as it is."""


class ImageError(DataError):
    """Image that cannot be read; ``name`` is its name in the data set and ``reason`` one short clause."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason

    def __reduce__(self) -> tuple[type[ImageError], tuple[str, str]]:
        return type(self), (self.name, self.reason)


class ChannelError(ImageError):
    """Image that lacks a channel that was asked for, or has more than can be shown without a choice of some."""


class SplitError(InputError):
    """Split that cannot be made of these data, or does not fit them."""


class WeightsError(InputError):
    """Pretrained weights that are missing or do not fit."""


class BundleError(InputError):
    """Saved model that is damaged, incomplete or from a newer version."""


class RunError(InputError):
    """Run folder that cannot be used: it holds something else, is incomplete or damaged."""


class EngineError(InputError):
    """Requested engine that cannot run here, or not with this network."""


class LeakError(HeadstartError):
    """Leak: rows made for training, or the images they come from, were about to be judged."""


class StorageError(HeadstartError):
    """Refusal of the disk: full, read-only or without permission."""


class WorkerError(HeadstartError):
    """Worker process that was ended from outside, as the system does when memory runs out."""


_N_CLOSE = 3


def _close(name: str, choices: list[str]) -> list[str]:
    """Names much like this one, or that contain it, whatever the case of the letters; the likest first."""
    import difflib

    by_lower = {choice.lower(): choice for choice in reversed(choices)}
    alike = difflib.get_close_matches(name.lower(), by_lower, n=_N_CLOSE, cutoff=0.6)
    containing = sorted((choice for choice in by_lower if name and name.lower() in choice), key=len)
    return [by_lower[choice] for choice in dict.fromkeys([*alike, *containing])][:_N_CLOSE]


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Message for an unknown name, with the close matches.

    >>> unknown_name("backbone", "vgg91", ["vgg19", "vgg16", "resnet50"])
    "Unknown backbone 'vgg91'. Did you mean 'vgg19', 'vgg16'? Known: resnet50, vgg16, vgg19."
    """
    choices = sorted(known)
    close = _close(name, choices)
    hint = " Did you mean " + ", ".join(repr(match) for match in close) + "?" if close else ""
    listed = ", ".join(choices[:20]) + (", ..." if len(choices) > 20 else "")
    return f"Unknown {kind} {name!r}.{hint} Known: {listed}."


def first_few(items: Iterable[str], limit: int = 5) -> str:
    """The first items for a message, and how many more there are.

    >>> first_few(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    every = list(items)
    more = f" and {len(every) - limit:,} more" if len(every) > limit else ""
    return ", ".join(every[:limit]) + more


def plural(number: int, one: str, many: str | None = None) -> str:
    """A counted noun, or a counted clause where its verb changes too.

    >>> plural(1, "image"), plural(2624, "image"), plural(1, "group holds lesions", "groups hold lesions")
    ('1 image', '2,624 images', '1 group holds lesions')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"
