"""What a model gave for every row of a token table, before anything is scored."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Outputs:
    """Rows of unequal length, end to end."""

    values: np.ndarray
    """[n, k] float32; what they are is the objective's."""

    offsets: np.ndarray
    """[rows + 1] int64: row i has `values[offsets[i]:offsets[i + 1]]`."""

    @property
    def rows(self) -> int:
        return len(self.offsets) - 1

    def row(self, index: int) -> np.ndarray:
        """[its n, k] float32."""
        return self.values[self.offsets[index] : self.offsets[index + 1]]

    def rows_at(self, rows: np.ndarray) -> "Outputs":
        """Return some rows, [n] numbers of them, as outputs of their own."""
        lengths = np.diff(self.offsets)[rows]
        found = [self.values[:0], *(self.row(row) for row in rows)]
        return Outputs(np.concatenate(found), np.cumsum([0, *lengths], dtype=np.int64))

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.values).all())
