"""Normal running learned from recordings without labels, in the order of the job."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.backbones.feature_block import ARRAY
from headstart.backbones.registry import DEFAULT_BACKBONE
from headstart.decisions.alarm_rate import MIN_RANK, AlarmRate
from headstart.errors import InputError, plural
from headstart.model.detector import DESCRIPTION, Detector, fit_detector
from headstart.model.window_features import STATISTICS, WindowFeatures
from headstart.signals.dataset import recipe_of
from headstart.signals.notes import notes_on
from headstart.signals.readers.read import read_recordings
from headstart.signals.span import Span
from headstart.signals.windows import Windowing, cut_windows
from headstart.workflow.options.data import check_apart
from headstart.workflow.options.signals import FileOptions

if TYPE_CHECKING:
    from headstart.signals.recipe import SignalRecipe
    from headstart.workflow.options.fit import FitOptions


@dataclass(frozen=True)
class NormalOptions:
    """How normal running is learned.

    Attributes
    ----------
    window, stride, reference, block : str or None
        Stretches of time as `Span.parse` takes them; the defaults of None are those of the command.
    one_class : str
        Kind of one-class head.
    alarms_per_day : float or None
    files : FileOptions
    image : str
        How a network is shown a window.
    network : FitOptions or None
        Network whose features windows are known by, of these options: ``features``, ``backbone``, ``weights``,
        ``input_size``, ``device``, ``threads`` and ``offline``. None: windows are known by statistics.

    Raises
    ------
    InputError
        When the network is told something, and no features of it are asked for.
    """

    window: str
    stride: str | None = None
    reference: str | None = None
    one_class: str = "mahalanobis"
    alarms_per_day: float | None = None
    block: str | None = None
    files: FileOptions = field(default_factory=FileOptions)
    image: str = "level"
    network: FitOptions | None = None

    def __post_init__(self) -> None:
        network = self.network
        if network is not None and network.features is None:
            raise InputError(
                "Name the features of the network by which windows are known: --features block4:rows, say."
            )
        if network is None and self.image != "level":
            raise InputError(
                f"--image {self.image} says how a network is shown windows, which are known by their statistics here. "
                "Add --features, or leave it out."
            )


@dataclass(frozen=True)
class NormalRunning:
    """What was learned, for people.

    Attributes
    ----------
    detector : Detector
    notes : tuple of str
        What reading and cutting changed.
    """

    detector: Detector
    notes: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What the detector rests on, and what it promises."""
        one = self.detector
        channels = plural(len(one.recipe.channels), "channel")
        words = f"{one.n_windows:,} windows of {channels} are normal running. {one.rate.sentence}"
        return words + _possible(one.rate)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        one = self.detector
        return {
            "windows": one.n_windows,
            "channels": list(one.recipe.channels),
            "one_class": one.head.kind,
            "days": one.rate.days,
            "alarms_per_day": None
            if one.rate.per_day is None
            else {"promised": one.rate.per_day, "ci95": list(one.rate.interval)},
            "notes": list(self.notes),
        }


def learn_normal(data: str, output: Path, options: NormalOptions) -> NormalRunning:
    """Read recordings, learn their normal running and write the detector.

    Parameters
    ----------
    data : str
        A recording, or a folder of them.
    output : Path
        Folder of the detector; made when it is not there.
    options : NormalOptions

    Raises
    ------
    DataError, InputError
        When recordings cannot be read or cut so, or are too short for the alarms that are promised; nothing is written.
    StorageError
        When the disk refuses.
    """
    if output.is_dir() and any(output.iterdir()) and not (output / DESCRIPTION).is_file():
        raise InputError(f"{output} is not empty and holds no detector. Choose another folder.")
    check_apart(output, Path(data))
    recordings = read_recordings(data, options.files.format(), intervals=options.files.intervals)
    how = _windowing(options, recordings[0].period_s)
    windows = cut_windows(recordings, how)
    block = None if options.block is None else _seconds(Span.parse(options.block, "--block"), windows.period_s)
    recipe = recipe_of(windows, how, standardise=None, image=options.image, with_statistics=options.network is None)
    detector = fit_detector(
        windows,
        recipe,
        kind=options.one_class,
        per_day=options.alarms_per_day,
        block_s=block,
        seen=_seen(recipe, options.network),
    )
    detector.save(output)
    return NormalRunning(detector, (*notes_on(recordings), *windows.notes))


def _seen(recipe: SignalRecipe, options: FitOptions | None) -> WindowFeatures:
    """What windows are known by."""
    if options is None or options.features is None:
        return STATISTICS
    if options.features == ARRAY:
        raise InputError(
            f"--features {ARRAY} is an array of images' numbers, and windows have none. Name others, or none."
        )
    from headstart.features.open import ExtractionSettings
    from headstart.model.window_network import open_window_network

    side = options.input_size
    settings = ExtractionSettings(
        backbone=options.backbone or DEFAULT_BACKBONE,
        weights=options.weights,
        input_size=None if side is None else (side, side),
        device=options.device,
        n_threads=options.threads,
        offline=options.offline or options.backbone is None,
        seed=options.seed,
        features=options.features,
    )
    return open_window_network(recipe, settings)


def _windowing(options: NormalOptions, period_s: float) -> Windowing:
    length = Span.parse(options.window, "--window")
    half = Span(max(1, length.samples(period_s) // 2), in_samples=True)
    return Windowing(
        length=length,
        stride=half if options.stride is None else Span.parse(options.stride, "--stride"),
        reference=Span(0.0) if options.reference is None else Span.parse(options.reference, "--reference"),
        parts=1,
    )


def _seconds(span: Span, period_s: float) -> float:
    return span.amount * (period_s if span.in_samples else 1.0)


def _possible(rate: AlarmRate) -> str:
    """What could be promised from as much normal running, where nothing is."""
    if rate.per_day is not None:
        return ""
    least = MIN_RANK / rate.days
    if least * rate.block_s > 43_200:
        return " That is too little to promise a rate."
    return f" --alarms-per-day {least:.2g} or more could be promised."
