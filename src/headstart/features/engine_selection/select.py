"""The engine of a run: the fastest one whose features agree with the fp32 reference on the user's own images."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.backbones.feature_block import LAST
from headstart.engines.capabilities import build_facts, openvino_absence, processor_name
from headstart.engines.engine import Engine
from headstart.engines.network_cache import NetworkCache
from headstart.errors import EngineError
from headstart.features.engine_selection.benchmark import Speeds, fastest, measure_engines
from headstart.features.engine_selection.int8 import MAX_CALIBRATION, MAX_JUDGED, accuracy_cost, check_int8, quantise
from headstart.features.engine_selection.parity import MIN_IMAGES, Parity, compare_blocks, sample_rows
from headstart.features.engine_selection.request import EngineRequest
from headstart.features.engine_selection.rule import compiling_pays, ordered_engines
from headstart.features.extract import extract_features
from headstart.features.extractor import Extractor
from headstart.progress import Progress, Silent
from headstart.storage import hash_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.backbones.backbone import Backbone
    from headstart.backbones.feature_block import FeatureBlock
    from headstart.data import ImageDataset
    from headstart.data.preparation import Preparation
    from headstart.features.cache import FeatureCache

WORTH_AN_ENGINE: Final = 6e10
"""Multiply-adds of a whole data set from which an engine other than the reference pays."""
_SAMPLE: Final = (16, 64)
_TIMED: Final = 8


@dataclass(frozen=True, eq=False)
class EngineChoice:
    """The engine of a run, and how it came to be chosen.

    Attributes
    ----------
    extractor : Extractor
        The backbone run by that engine.
    record : dict
        For results.json: what was asked, tried and measured; nothing in it depends on how fast this run was.
    speeds : dict
        Images per second by the label of the engine; empty where nothing was timed.
    """

    extractor: Extractor
    record: dict[str, Any]
    speeds: dict[str, float] = field(default_factory=dict)

    @property
    def engine(self) -> Engine:
        """The engine itself."""
        return self.extractor.engine


class EngineSelector:
    """Chooses the engine of a run.

    Parameters
    ----------
    backbone : Backbone
    preparation : Preparation
    dataset : ImageDataset
        Readable images, with their hashes; labels, where there are any, are what the probe tells apart.
    request : EngineRequest
    blocks, beside : sequence of FeatureBlock
        Blocks in use, and others of the same forward pass; see `Extractor`. Each block in use must agree.
    cache : FeatureCache, optional
        Features of the compared images go through it, so they are computed once; converted networks and measured
        speeds lie in its folder.
    progress : Progress, optional
    """

    def __init__(
        self,
        backbone: Backbone,
        preparation: Preparation,
        dataset: ImageDataset,
        request: EngineRequest,
        *,
        blocks: Sequence[FeatureBlock] = (LAST,),
        beside: Sequence[FeatureBlock] = (),
        cache: FeatureCache | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.blocks, self.beside = tuple(blocks), tuple(beside)
        self.backbone = backbone
        self.preparation = preparation
        self.dataset = dataset
        self.request = request
        self._cache = cache
        self._folder = None if cache is None else cache.folder
        self._network_cache = NetworkCache(self._folder)
        self._progress = progress or Silent()
        self._notes: list[str] = []
        self._tried: list[dict[str, Any]] = []
        self._networks: dict[str, bytes] = {}

    @functools.cached_property
    def _sample(self) -> list[int]:
        """Rows that are compared; read from the disk only where something is compared."""
        n_images = min(_SAMPLE[1], max(_SAMPLE[0], len(self.dataset) // 8))
        return sample_rows(self.dataset, n_images, self.request.seed)

    def select(self) -> EngineChoice:
        """The first engine of the rule's order that agrees with the reference; with ``measure`` the fastest.

        Raises
        ------
        EngineError
            When int8 is asked for and cannot be made here.
        """
        request = self.request
        if request.precision == "int8":
            return self._select_int8()
        if request.library == "torch" and request.precision == "fp32":
            return self._chosen(request.reference, None, "asked for")
        unasked = request.library == "auto" and request.precision in ("auto", "fp32")
        work = self._work() if unasked else 0.0
        if unasked and work < WORTH_AN_ENGINE:
            return self._chosen(request.reference, None, "too little work for another engine to pay")
        able = candidates = self._candidates(work)
        speeds: dict[str, float] = {}
        if request.library == "measure":
            speeds = self._speeds(candidates)
            able = [engine for engine in candidates if engine.label in speeds]
        while able:
            engine = fastest(able, speeds) if speeds else able[0]
            parity = self._parity_or_refusal(engine)
            if parity is not None and self._is_tolerable(engine, parity):
                return self._chosen(engine, parity, _reason(request, len(candidates)), speeds)
            able = [other for other in able if other is not engine]
        reason = "no faster engine agreed with it" if self._tried else "no other engine runs here"
        return self._chosen(request.reference, None, reason, speeds)

    def _extractor(self, engine: Engine) -> Extractor:
        """The extractor of an engine."""
        network = self._networks.get(engine.network_sha256)
        return Extractor(
            self.backbone,
            self.preparation,
            engine,
            blocks=self.blocks,
            beside=self.beside,
            network=network,
            network_cache=self._network_cache,
        )

    def _work(self) -> float:
        """Multiply-adds of the whole data set."""
        stages = self.backbone.staged.describe(self.preparation.size)
        return float(sum(stage.multiply_adds for stage in stages)) * len(self.dataset)

    def _candidates(self, work: float) -> list[Engine]:
        """Engines that this machine has and the request allows, in the order of the rule."""
        request = self.request
        if request.device == "cpu" and request.library != "torch":
            self._say_absence()
        compiling = compiling_pays(request.device, work, len(self.dataset))
        found = ordered_engines(request, worth_compiling=compiling)
        if request.precision not in ("auto", *(engine.precision for engine in found)):
            self._say(f"This machine has no {request.precision} arithmetic; fp32 is used instead.")
            return [request.engine("openvino", "fp32")] if self._has_openvino() else []
        return found

    def _has_openvino(self) -> bool:
        return self.request.device == "cpu" and self.request.library != "torch" and not openvino_absence()

    def _speeds(self, candidates: Sequence[Engine]) -> dict[str, float]:
        """Images per second of the candidates that run, measured or remembered; of a single one nothing is timed."""
        if len(candidates) < 2:
            return {engine.label: 0.0 for engine in candidates}
        settings = {
            "backbone": self.backbone.name,
            "tensors": self.backbone.tensors_sha256,
            "size": list(self.preparation.size),
            "engines": [engine.settings() for engine in candidates],
            "machine": build_facts("openvino" if self._has_openvino() else "torch", self.request.device),
            "processor": processor_name(),
        }
        if blocks := self._extractor(candidates[0]).of_network:
            settings["blocks"] = [block.name for block in blocks]
        remembered = Speeds(self._folder, settings, [engine.label for engine in candidates])
        speeds = remembered.load()
        if not speeds:
            rows = self._sample[:_TIMED]
            pixels = np.stack([self.dataset.prepared(row, self.preparation) for row in rows])
            with self._progress.task("Trial", len(candidates), "engines") as advance:
                speeds, refusals = measure_engines(candidates, self._extractor, pixels, advance=advance)
            for reason in refusals.values():
                self._say(reason)
            if not refusals:
                remembered.store(speeds)
        return speeds

    def _parity(self, engine: Engine, rows: Sequence[int] | None = None) -> Parity:
        """Features of the engine beside those of the reference."""
        compared = self.dataset.subset(list(self._sample if rows is None else rows))
        reference = self._features(compared, self.request.reference)
        widths = self._extractor(self.request.reference).block_widths
        return compare_blocks(reference, self._features(compared, engine), widths, compared.labels)

    def _parity_or_refusal(self, engine: Engine) -> Parity | None:
        """Parity of the engine; None, and a note with the reason, where it cannot compute these images at all."""
        try:
            return self._parity(engine)
        except EngineError as error:
            self._say(f"{engine.label} is not used: {error}")
            return None

    def _features(self, dataset: ImageDataset, engine: Engine) -> NDArray[Any]:
        return extract_features(dataset, self._extractor(engine), cache=self._cache)

    def _is_tolerable(self, engine: Engine, parity: Parity) -> bool:
        """Whether an engine stays within its tolerance; noted and recorded either way."""
        tolerance = self.request.tolerances[engine.precision]
        within = parity.within(tolerance)
        bounds = {"relative_error": tolerance.relative_error, "agreement": tolerance.agreement}
        self._tried.append({"engine": engine.label, "parity": parity.to_json(), "tolerance": bounds, "within": within})
        if not within:
            why = (
                f"fewer than {MIN_IMAGES} images cannot show that it gives the same features"
                if parity.n_images < MIN_IMAGES
                else f"its features differ too much from fp32 on your images: {parity}; at most "
                f"{tolerance.relative_error:g} and at least {tolerance.agreement:g} are tolerated"
            )
            self._say(f"{engine.label} is not used: {why}.")
        return within

    def _say_absence(self) -> None:
        if openvino_absence():
            self._say(f"{openvino_absence()}; torch computes the features, more slowly.")

    def _say(self, text: str) -> None:
        self._notes.append(text)
        self._progress.note(text)

    def _chosen(
        self, engine: Engine, parity: Parity | None, reason: str, speeds: dict[str, float] | None = None, **more: Any
    ) -> EngineChoice:
        if engine != self.request.reference:
            self._progress.note(f"Engine: {engine.label} ({reason}; {parity}).")
        record = {
            "requested": {"engine": self.request.library, "precision": self.request.precision},
            "used": engine.to_json(),
            "label": engine.label,
            "reason": reason,
            "parity": None if parity is None else parity.to_json(),
            "tried": self._tried,
            "notes": self._notes,
            **more,
        }
        timed = {label: speed for label, speed in (speeds or {}).items() if speed > 0}
        return EngineChoice(self._extractor(engine), record, timed)

    def _select_int8(self) -> EngineChoice:
        """int8 where it stays within its wide tolerance, its cost in accuracy measured; else the best of fp32."""
        check_int8()
        order = sample_rows(self.dataset, len(self.dataset), self.request.seed)
        held_out, calibration = _divided(order)
        if len(held_out) < MIN_IMAGES:
            self._say(
                f"int8 is not used: it is judged on a third of the images, and {len(held_out)} of {len(order)} cannot "
                f"show that it gives the same features; expected {MIN_IMAGES} at least."
            )
            return self._instead_of_int8("too few images to judge int8")
        engine = self.request.engine("openvino", "int8")
        pixels = np.stack([self.dataset.prepared(row, self.preparation) for row in calibration])
        self._progress.note(f"Quantising {self.backbone.name} on {len(calibration)} images; this may take minutes.")
        if self.request.floats:
            pixels = pixels.astype(np.float32)
        blocks = self._extractor(engine).of_network
        network = quantise(self.backbone, self.preparation.size, engine.batch_size, pixels, blocks=blocks)
        engine = replace(engine, network_sha256=hash_bytes(network))
        self._networks[engine.network_sha256] = network
        parity = self._parity(engine, held_out)
        if not self._is_tolerable(engine, parity):
            return self._instead_of_int8("int8 differs too much")
        cost = self._accuracy_cost(engine, held_out)
        if cost is not None:
            low, high = cost["ci95"]
            self._say(
                f"int8: a linear probe is right for {cost['int8']:.3f} of {cost['n_images']} held-out images, with "
                f"fp32 for {cost['fp32']:.3f} (difference {cost['difference']:+.3f}, 95 % interval {low:+.3f} to "
                f"{high:+.3f})."
            )
        return self._chosen(engine, parity, "asked for", accuracy_cost=cost, n_calibration=len(calibration))

    def _accuracy_cost(self, engine: Engine, rows: Sequence[int]) -> dict[str, Any] | None:
        judged = self.dataset.subset(list(rows))
        labels = judged.labels
        if labels is None or any(len(np.unique(labels[start::2])) < 2 for start in (0, 1)):
            return None
        plain = self._features(judged, self.request.reference)
        return accuracy_cost(plain, self._features(judged, engine), labels)

    def _instead_of_int8(self, reason: str) -> EngineChoice:
        engine = self.request.engine("openvino", "fp32")
        parity = self._parity(engine)
        if self._is_tolerable(engine, parity):
            return self._chosen(engine, parity, reason)
        return self._chosen(self.request.reference, None, reason)


def _divided(order: Sequence[int]) -> tuple[list[int], list[int]]:
    """Images to judge int8 on, and others to find its scales on: a third and two thirds where there are few."""
    n_judged = min(MAX_JUDGED, max(1, len(order) // 3))
    rest = order[n_judged : n_judged + MAX_CALIBRATION]
    return list(order[:n_judged]), list(rest or order)


def _reason(request: EngineRequest, n_candidates: int) -> str:
    if n_candidates == 1:
        return "asked for"
    if request.library == "measure":
        return f"of {n_candidates} engines tried, the fastest that agrees with fp32"
    return f"of {n_candidates} engines by expected speed, the first that agrees with fp32"
