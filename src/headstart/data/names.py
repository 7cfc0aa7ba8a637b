"""Names that are safe to show: without line breaks, escape sequences or other control characters.

Names go to terminals, tables and reports. One that holds an escape sequence could rewrite what a terminal shows, one
with a line break could pass for two rows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from headstart.errors import DataError

# Unicode's C0 and C1 controls, delete, and its line and paragraph separators.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def is_printable(name: str) -> bool:
    r"""Whether a name is free of control characters.

    >>> is_printable("Zelle (grün) #1"), is_printable("cell\n1"), is_printable("\x1b[2Jcell")
    (True, False, False)
    """
    return _CONTROL.search(name) is None


def escaped(name: str) -> str:
    r"""The name with its control characters escaped.

    >>> escaped("cell\n1") == "cell" + chr(92) + "n1"
    True
    """
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], name)


def unprintable_rows(names: Sequence[str], codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows whose name, ``names[codes[row]]``, holds a control character."""
    bad = [code for code, name in enumerate(names) if not is_printable(name)]
    return np.flatnonzero(np.isin(codes, bad)).astype(np.int64) if bad else np.zeros(0, dtype=np.int64)


def check_printable(kind: str, names: Sequence[str], codes: NDArray[np.int64] | None = None) -> None:
    """Refuse a name with control characters.

    Parameters
    ----------
    kind : str
        Kind of name, for the message: "class name".
    names : sequence of str
    codes : ndarray of shape (n_images,), int64, optional
        Name of each row, an index into `names`; the message then gives the first row.

    Raises
    ------
    DataError
        Naming the first such name, escaped.
    """
    bad = next((code for code, name in enumerate(names) if not is_printable(name)), None)
    if bad is None:
        return
    rows = [] if codes is None else np.flatnonzero(codes == bad).tolist()
    where = f" (row {rows[0]}, counted from 0)" if rows else ""
    raise DataError(
        f"The {kind} {names[bad]!r}{where} holds a control character, such as a line break or an escape. Remove it."
    )
