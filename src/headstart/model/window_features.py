"""What a detector knows a window by: statistics of its channels, unless features of a network are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from headstart.signals.statistics import statistics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


class WindowFeatures(Protocol):
    """Numbers that a one-class head knows windows by."""

    @property
    def learns(self) -> bool:
        """Whether `fitted` learns something of the windows, so that it must not see those that are scored."""
        ...

    def fitted(self, windows: NDArray[np.float32]) -> WindowFeatures:
        """The same, with what it learns of windows (n, length, n_channels) of normal running."""
        ...

    def of(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features of windows (n, length, n_channels), shape (n, n_features)."""
        ...

    def to_json(self) -> dict[str, Any] | None:
        """Plain values by which it is restored; None where there is nothing to tell."""
        ...

    def tensors(self) -> Mapping[str, Any] | None:
        """Tensors that stand beside them; None where there are none."""
        ...


class WindowStatistics(WindowFeatures):
    """Statistics of every channel (`headstart.signals.statistics`), of windows as they are."""

    @property
    def learns(self) -> bool:
        """False."""
        return False

    def fitted(self, windows: NDArray[np.float32]) -> WindowStatistics:
        """Itself."""
        return self

    def of(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `WindowFeatures.of`."""
        return np.asarray(statistics(windows), dtype=np.float32)

    def to_json(self) -> None:
        """None."""
        return

    def tensors(self) -> None:
        """None."""
        return


STATISTICS: Final = WindowStatistics()
