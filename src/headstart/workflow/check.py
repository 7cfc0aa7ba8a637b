"""`check`: the audit of a data set, near duplicates confirmed where a backbone is at hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.audit.audit import Audit, audit_dataset
from headstart.errors import WeightsError, plural
from headstart.progress import Progress, Silent
from headstart.results.models.audit import AgreementFacts
from headstart.results.writers.agreement import agreement_facts, agreement_lines
from headstart.runtime.machine import available_processors
from headstart.workflow.job.audit import Data, check_channels, open_data, readable_part
from headstart.workflow.options.config import given_options
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.search_space import search_space, source_options

if TYPE_CHECKING:
    from headstart.data.dataset import ImageDataset
    from headstart.data.memory.collection import Pictures
    from headstart.workflow.job.near_duplicates import NearDuplicates

_LISTED = 20


@dataclass(frozen=True, eq=False)
class CheckResult:
    """Result of a check.

    Attributes
    ----------
    audit : Audit
    near_duplicates : NearDuplicates or None
        None where near duplicates were not confirmed in feature space.
    unconfirmed : str
        Why they were not; empty when they were, or when there was nothing to confirm.
    agreement : AgreementFacts or None
        How far the raters agree, where there are several.
    """

    audit: Audit
    near_duplicates: NearDuplicates | None
    unconfirmed: str = ""
    agreement: AgreementFacts | None = None

    @property
    def can_be_fitted(self) -> bool:
        """Whether there are two classes at least, which training needs."""
        return sum(count > 0 for count in self.audit.class_counts.values()) > 1

    def to_json(self) -> dict[str, Any]:
        """The audit as plain values, with ``near_duplicates``, ``unconfirmed`` and ``agreement`` beside it."""
        return {
            **self.audit.to_json(),
            "near_duplicates": None if self.near_duplicates is None else self.near_duplicates.to_json(),
            "unconfirmed": self.unconfirmed,
            "agreement": None if self.agreement is None else self.agreement.to_json(),
        }

    def lines(self) -> list[str]:
        """The findings for a terminal."""
        found = self.audit.lines()
        if self.near_duplicates is not None:
            found.append(
                f"near duplicates confirmed in feature space: {plural(len(self.near_duplicates.near), 'pair')}"
            )
            found += [f"near duplicate: {first} = {second}" for first, second in self.near_duplicates.near[:_LISTED]]
            if len(self.near_duplicates.near) > _LISTED:
                found.append(f"... and {len(self.near_duplicates.near) - _LISTED:,} more; --json lists them all")
        if self.unconfirmed:
            found.append(f"near duplicates were not confirmed: {self.unconfirmed}")
        if self.agreement is not None:
            found += agreement_lines(self.agreement)
        return found


def check_data(
    data: Data | Pictures,
    options: FitOptions | None = None,
    *,
    features: bool = True,
    progress: Progress | None = None,
    **given: Any,
) -> CheckResult:
    """Audit a data set without training on it.

    Parameters
    ----------
    data : path, DataSource, ImageDataset, or data in memory that has labels
    options : FitOptions, optional
        Backbone (of several the first), engine and cache for the confirmation of near duplicates.
    features : bool
        Confirm near duplicates in feature space; False looks at the files only.
    progress : Progress, optional
    **given
        ``config``, a file of options (docs/config.md), and options that ``headstart check`` has, by name; they go
        before those of `options`.

    Returns
    -------
    CheckResult

    Raises
    ------
    DataError
        When the data set cannot be read at all. Unreadable images are listed, not raised.
    """
    named, progress = given_options("check", given), progress or Silent()
    data, options = named.data(data), named.options(FitOptions, options)
    dataset, _ = open_data(data)
    n_workers = options.threads or available_processors()
    if options.channels is not None and len(dataset):
        check_channels(dataset, options.channels)
    audit = audit_dataset(dataset, channels=options.channels, n_workers=n_workers, progress=progress)
    if dataset.labels is not None and len(audit.unreadable) < len(dataset):
        part = dataset.without(audit.unreadable_rows)
        audit = audit.judged(np.asarray(part.labels), groups=part.groups)
    checked = CheckResult(audit, None, agreement=agreement_facts(dataset))
    if not audit.candidates:
        return checked
    if not features:
        return replace(checked, unconfirmed="only the files were to be looked at")
    return _confirmed(checked, readable_part(dataset, audit), options, progress)


def _confirmed(checked: CheckResult, readable: ImageDataset, options: FitOptions, progress: Progress) -> CheckResult:
    """The check with its candidates confirmed in feature space, where a backbone is at hand.

    Features need torch, which is loaded here, so that the files are looked at without the memory that it takes.
    """
    from headstart.features.extract import extract_features
    from headstart.workflow.job.near_duplicates import find_near_duplicates
    from headstart.workflow.job.sources import open_cache, open_for

    try:
        first = source_options(options, search_space(options).sources[0])
        extractor = open_for(first, readable, progress=progress).extractor
    except WeightsError as error:
        return replace(checked, unconfirmed=str(error))
    cache = open_cache(options.cache, limit=options.cache_limit, progress=progress)
    computed = extract_features(readable, extractor, cache=cache, progress=progress)
    return replace(checked, near_duplicates=find_near_duplicates(readable, checked.audit, computed))
