from dataclasses import replace

import numpy as np
import pytest

from tritune.training.some_rows import rows_of


@pytest.mark.parametrize("rows", [[3, 1], [0], [4, 4, 2]])
def test_rows_are_taken_whole(kit, rows):
    table = kit.token_table(5)
    listed = replace(
        table,
        labels=table.tokens * 2,
        label_offsets=table.offsets,
        token_types=(table.tokens % 2).astype(np.int8),
    )
    for given in (table, listed):
        found = rows_of(given, np.array(rows))
        assert found.rows == len(rows)
        for place, row in enumerate(rows):
            assert np.array_equal(found.row(place), given.row(row))
            assert np.array_equal(found.row_labels(place), given.row_labels(row))
            assert found.row_ids[place] == given.row_ids[row]
