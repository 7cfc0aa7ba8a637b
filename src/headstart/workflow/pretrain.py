"""`pretrain`: a network trained on a source task of the user's own, written as weights that later fits take."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.backbones.registry import find_entry
from headstart.backbones.weights.provenance import in_words, read_pretraining
from headstart.data import ImageDataset
from headstart.errors import RunError, WeightsError
from headstart.pretraining.run import PretrainingPlan, PretrainingRun
from headstart.pretraining.train import DivergedError
from headstart.progress import Progress, Silent
from headstart.results.models.pretraining import HeldOut, PretrainingFacts
from headstart.results.writers.sources import pretraining_facts
from headstart.storage import canonical_json, hash_json
from headstart.study.execution import run_folder as files
from headstart.version import __version__
from headstart.workflow.job.audit import AuditedDataset, Data, audit_data, refuse_table_columns
from headstart.workflow.job.near_duplicates import join_copies
from headstart.workflow.options.config import given_options
from headstart.workflow.options.data import as_source
from headstart.workflow.options.pretrain import PretrainOptions
from headstart.workflow.preflight import check_outside

if TYPE_CHECKING:
    from headstart.data.memory.collection import Pictures


@dataclass(frozen=True)
class Pretrained:
    """Finished weights.

    Attributes
    ----------
    path : Path
    results : PretrainingFacts
        Source images, settings and held-out score, as the file holds them.
    """

    path: Path
    results: PretrainingFacts

    @property
    def heldout(self) -> HeldOut:
        """Scores of the images that took no part."""
        return self.results.heldout

    @property
    def headline(self) -> str:
        """Source, task and score in one sentence."""
        return f"{self.results.backbone}, {in_words(self.results.to_json())}."


def pretrain(
    data: Data | Pictures,
    output: str | os.PathLike[str],
    options: PretrainOptions | None = None,
    *,
    progress: Progress | None = None,
    **given: Any,
) -> Pretrained:
    """Train a whole network on labelled images of a source task, and write its weights.

    A share of the images, groups whole, is held out and judged once, after the last epoch. Called again with the same
    arguments after an interruption it goes on where it stopped, with the same bytes.

    Parameters
    ----------
    data : path, DataSource, ImageDataset, or data in memory that has labels
    output : path
        File to write, ending with ``.safetensors``; unfinished work lies beside it, in a folder ending with ``.work``.
    options : PretrainOptions, optional
    progress : Progress, optional
    **given
        ``config``, a file of options (docs/config.md), and options of `PretrainOptions`, `PretrainSettings` and
        `DataSource` by name, such as ``epochs=20``; they go before those of `options`. The backbone must be named.

    Returns
    -------
    Pretrained

    Raises
    ------
    DataError, ImageError, SplitError, WeightsError, InputError
        When the input cannot be used, or the training diverges.
    RunError
        When `output` holds something else.
    StorageError
        When the disk refuses.

    Examples
    --------
    >>> import headstart
    >>> made = headstart.pretrain(
    ...     "clothes/", "clothes.safetensors", backbone="resnet18", input_size=64, epochs=20
    ... )  # doctest: +SKIP
    """
    named, progress = given_options("pretrain", given), progress or Silent()
    data, options = named.data(data), named.options(PretrainOptions, options)
    path = _output_file(output)
    check_outside(data, path)
    work = path.with_name(f"{path.name}.work")
    find_entry(options.backbone)
    deciding = options.identity()  # a file of weights that is missing is refused here
    refuse_table_columns(data, "A network that is pretrained")
    audited = audit_data(data, skip_unreadable=options.skip_unreadable, n_threads=options.threads, progress=progress)
    domain = options.domain or _domain(data)
    identity = _identity(audited, {**deciding, "domain": domain})
    if path.exists():
        found = _finished(path, identity, progress)
        shutil.rmtree(work, ignore_errors=True)  # left by a process killed right after it wrote the weights
        return Pretrained(path, found)
    values = {field.name: getattr(options, field.name) for field in fields(PretrainingPlan)}
    plan = PretrainingPlan(**{**values, "domain": domain})
    fingerprint = audited.dataset.fingerprint()
    run = PretrainingRun(plan, join_copies(audited), fingerprint, hash_json(identity), work, progress)
    prepared = run.prepare()
    try:
        with files.claimed(work, identity, {}, images=False):
            written = run.train(prepared, path)
    except DivergedError:  # with these settings there is nothing to go on with
        shutil.rmtree(work, ignore_errors=True)
        raise
    shutil.rmtree(work, ignore_errors=True)
    return Pretrained(path, pretraining_facts(written, path))


def _identity(audited: AuditedDataset, options: dict[str, Any]) -> dict[str, Any]:
    """Everything that decides the weights, as it will be read again."""
    identity = {"headstart": __version__, "data": audited.dataset.fingerprint(), "options": options}
    return dict(json.loads(canonical_json(identity)))


def _output_file(output: str | os.PathLike[str]) -> Path:
    path = Path(output)
    if path.suffix != ".safetensors":
        raise RunError(f"{path or 'The output'} does not end with .safetensors, as files of weights do. Name it so.")
    if path.is_dir():
        raise RunError(f"{path} is a folder. Name a file to write.")
    return path


def _domain(data: Data) -> str:
    return "images in memory" if isinstance(data, ImageDataset) else Path(as_source(data).path).resolve().stem


def _finished(path: Path, identity: dict[str, Any], progress: Progress) -> PretrainingFacts:
    """Description of the pretraining in a file that is there, if these very arguments made it."""
    try:
        header = read_pretraining(path)
        found = None if header is None else pretraining_facts(header, path)
    except WeightsError:  # no file of ours, or a damaged one: not to be overwritten either
        found = None
    if found is None or found.identity_sha256 != hash_json(identity):
        raise RunError(
            f"{path} exists already and was not made from these data and options; weights are never overwritten. "
            "Name another file, or remove it."
        )
    progress.note(f"{path} is complete; nothing is left to do.")
    return found
