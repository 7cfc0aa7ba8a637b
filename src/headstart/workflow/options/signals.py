"""Options of recordings: how they are read, cut into windows and shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from headstart.signals.choices import GAP_POLICIES, LABEL_RULES, STANDARDISING, GapPolicy, LabelRule, Standardising
from headstart.workflow.options.option import Options, option

if TYPE_CHECKING:
    from headstart.signals.readers.format import RecordingFormat


def imaging_names() -> Sequence[str]:
    """Names of the ways to show a window."""
    from headstart.signals.imaging import IMAGINGS

    return tuple(IMAGINGS)


_OF_FILES: Final = {
    "intervals": option("CSV of labelled intervals: recording, start, end, label.", is_path=True, unset="none"),
    "label_column": option("Column of labels.", metavar="NAME", unset="anomaly or label, where there"),
    "time_column": option("Column of times.", metavar="NAME", unset="found"),
    "time_format": option("Format of times, as %d/%m/%Y %H:%M:%S.", metavar="FORMAT", unset="found"),
    "channels": option("Columns that are channels.", metavar="NAME,NAME...", unset="all others"),
    "rate": option("Samples per second; times are not looked at.", above=0, unset="found"),
}


@dataclass(frozen=True)
class FileOptions(Options):
    """How the files of recordings are read, where they do not tell it themselves.

    Attributes
    ----------
    intervals : str or None
        Path of a table of labelled intervals.
    label_column, time_column, time_format, channels, rate
        As for `headstart.signals.RecordingFormat`.
    """

    group: ClassVar[str] = "Data"

    intervals: str | None = field(default=None, metadata=_OF_FILES["intervals"])
    label_column: str | None = field(default=None, metadata=_OF_FILES["label_column"])
    time_column: str | None = field(default=None, metadata=_OF_FILES["time_column"])
    time_format: str | None = field(default=None, metadata=_OF_FILES["time_format"])
    channels: tuple[str, ...] | None = field(default=None, metadata=_OF_FILES["channels"])
    rate: float | None = field(default=None, metadata=_OF_FILES["rate"])

    def format(self) -> RecordingFormat:
        """What the files do not tell, as the readers take it."""
        from headstart.signals.readers.format import RecordingFormat

        return RecordingFormat(self.time_column, self.time_format, self.label_column, self.channels, self.rate)


@dataclass(frozen=True)
class SignalOptions(Options):
    """How recordings become pictures; see `headstart.signals.read` for the meaning of each.

    Attributes
    ----------
    window, stride, reference, purge : str or None
        Times such as ``60s``, or numbers of samples.
    standardise, image, statistics, label_rule, gaps, parts
        As for `headstart.signals.read`.
    intervals : str or None
        Path of a table of labelled intervals.
    time_column, time_format, label_column, channels, rate
        As for `headstart.signals.RecordingFormat`.
    """

    group: ClassVar[str] = "Data"

    window: str = field(
        metadata=option("Length of a window: 60s, 2min, or a number of samples.", metavar="TIME", matters=True)
    )
    stride: str | None = field(
        default=None,
        metadata=option("From one window to the next.", metavar="TIME", unset="half a window", matters=True),
    )
    reference: str | None = field(
        default=None,
        metadata=option(
            "Normal stretch at the start of each recording, which sets the scale and is never judged.",
            metavar="TIME",
            unset="none",
            matters=True,
        ),
    )
    standardise: Standardising | None = field(
        default=None,
        metadata=option(
            "What the channels are standardised by.",
            choices=STANDARDISING,
            unset="reference where there is one, else training",
        ),
    )
    image: str = field(
        default="level", metadata=option("How a window is shown", listed=imaging_names, offered=imaging_names)
    )
    statistics: bool = field(
        default=True,
        metadata=option("Show heads the statistics of every channel too.", flag="--statistics/--no-statistics"),
    )
    label_rule: LabelRule = field(
        default="any", metadata=option("Sample that gives a window its class.", choices=LABEL_RULES)
    )
    gaps: GapPolicy = field(default="skip", metadata=option("What becomes of windows in gaps.", choices=GAP_POLICIES))
    parts: int = field(
        default=0,
        metadata=option("Parts that each recording is divided into; 0: ten of a single one, else none.", at_least=0),
    )
    purge: str | None = field(
        default=None,
        metadata=option("Stretch left out between two parts.", metavar="TIME", unset="a window"),
    )
    intervals: str | None = field(default=None, metadata=_OF_FILES["intervals"])
    label_column: str | None = field(default=None, metadata=_OF_FILES["label_column"])
    time_column: str | None = field(default=None, metadata=_OF_FILES["time_column"])
    time_format: str | None = field(default=None, metadata=_OF_FILES["time_format"])
    channels: tuple[str, ...] | None = field(default=None, metadata=_OF_FILES["channels"])
    rate: float | None = field(default=None, metadata=_OF_FILES["rate"])

    def reading(self) -> dict[str, Any]:
        """Keywords of `headstart.signals.read`."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            "rule": self.label_rule,
            "form": self._files().format(),
        }

    def _files(self) -> FileOptions:
        return FileOptions(**{name: getattr(self, name) for name in _OF_FILES})


OF_IMAGE_FILES: Final = ("channels", "white_level", "decode", "normalise", "image_kind", "quick")
"""Options of a fit for image files alone: recordings are none, and are judged in events over all their folds."""
_PLAIN = (
    *("window", "stride", "reference", "standardise", "image", "statistics"),
    *("gaps", "parts", "purge", "intervals"),
)
