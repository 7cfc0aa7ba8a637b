"""``count.json``: the cells of one class in every micrograph and well, and what their intervals rest on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from headstart.results.models.base import Count, Ends, Mass, Part, Positive, Share
from headstart.results.models.run_file import RunFile


class ShareFacts(Part):
    """A share of cells with its 95 % interval."""

    value: Share
    ci95: Ends


class CountedFacts(Part):
    """Cells of a micrograph (its `image`) or a well, and the share that is of the class.

    Attributes
    ----------
    image, field : str
        Empty for a well.
    called, corrected : ShareFacts or None
        Share as called, and corrected for the model's errors; both intervals speak of the well that the cells are a
        sample of. None without cells, or where the errors are not known.
    of_these : ShareFacts or None
        Share among these very cells, corrected; of a micrograph alone.
    about : mapping of str to str
        What a table of wells says of the well.
    """

    image: str
    plate: str
    well: str
    field: str
    n_fields: Positive
    n_cells: Count
    n_counted: Count
    called: ShareFacts | None
    corrected: ShareFacts | None
    of_these: ShareFacts | None
    about: Mapping[str, str]


class RateFacts(Part):
    """Share of right answers among cells of one truth, and how many independent answers it rests on."""

    right: Mass
    n: Mass
    value: Share
    correlation: Share
    effective_n: Mass


class AgreementFacts(Part):
    """Bland and Altman's bias and limits of agreement of shares with the true ones, from 0 to 1."""

    n: Positive
    bias: float
    bias_ci95: Ends
    deviation: Mass
    limits: Ends
    limits_ci95: tuple[Ends, Ends]


class KnownFacts(Part):
    """What the model's run says of its counting: its errors out of fold, and its shares against the true ones.

    Attributes
    ----------
    sensitivity, specificity : RateFacts
    sizes, truth, called, corrected : tuple
        Of every group of cells that was split as a whole; `corrected` by the errors in all other groups.
    agreement, corrected_agreement : AgreementFacts or None
        None for too few groups.
    """

    sensitivity: RateFacts
    specificity: RateFacts
    sizes: tuple[Positive, ...]
    truth: tuple[Share, ...]
    called: tuple[Share, ...]
    corrected: tuple[Share | None, ...]
    agreement: AgreementFacts | None
    corrected_agreement: AgreementFacts | None


class CellsCountResults(RunFile):
    """A count of the cells of one class.

    Attributes
    ----------
    counted : str
        The class.
    likeness : float
        Intracluster correlation of the calls of one field: over all wells, of those of the run, or assumed.
    likeness_freedom : int
        Degrees of freedom that it rests on; 0: it could not be estimated and is assumed.
    known : KnownFacts or None
        None where the model's run is not at hand; nothing is corrected then.
    dose_column, time_column : str or None
        Columns of the table of wells.
    skipped : tuple of str
        Micrographs that could not be read, with the reason.
    """

    file_name: ClassVar[str] = "count.json"
    command: ClassVar[str] = "headstart cells count MODEL IMAGES"

    format: Literal[1]
    headstart: str
    classes: tuple[str, ...]
    counted: str
    n_cells: Count
    n_counted: Count
    images: tuple[CountedFacts, ...]
    wells: tuple[CountedFacts, ...]
    likeness: Share
    likeness_freedom: Count
    known: KnownFacts | None
    dose_column: str | None
    time_column: str | None
    skipped: tuple[str, ...]
    notes: tuple[str, ...]
