"""The solar cells and the three readings of their labels."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.errors import InputError


def test_protocols_of_the_solar_cells() -> None:
    pytest.importorskip("elpv_dataset")
    from headstart.samples.solar_cells import protocol, solar_cells

    cells = solar_cells()
    a, b, c = (protocol(cells, name) for name in ("A", "B", "C"))
    assert [len(one.rows) for one in (a, b, c)] == [2624, 2624, 2223]
    assert [int((one.dataset.labels == 1).sum()) for one in (a, b, c)] == [821, 1116, 715]
    assert a.dataset.weights is None and c.dataset.weights is None and b.dataset.weights is not None
    assert b.dataset.weights.sum() == pytest.approx(1508 + 295 / 3 + 106 * 2 / 3 + 715)
    assert len(np.unique(a.strata)) == 8 and len(np.unique(c.strata)) == 4
    soft = cells.soft_dataset()
    assert soft.soft is not None and soft.soft[:, 1].sum() == pytest.approx(295 / 3 + 106 * 2 / 3 + 715)
    assert (soft.labels == a.dataset.labels).all()
    with pytest.raises(InputError, match=r"Unknown protocol 'D'"):
        protocol(cells, "D")  # type: ignore[arg-type]
