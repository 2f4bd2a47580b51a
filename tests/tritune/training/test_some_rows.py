from dataclasses import replace

import numpy as np
import pytest
import torch

from tritune.training.batches import collate
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


def test_what_a_prefix_gives_is_found_again_without_a_copy_of_it(kit):
    plain = kit.token_table(5)
    values = np.arange(2 * len(plain.tokens), dtype=np.float32).reshape(-1, 2)
    table = replace(plain, prefix_output=values)
    some = rows_of(table, np.array([3, 1, 3]))
    assert some.prefix_output is values
    again = rows_of(some, np.array([1, 2]))
    for found, place, row in ((some, 0, 3), (some, 1, 1), (again, 0, 1), (again, 1, 3)):
        own = collate(found, np.array([place]), pad_token_id=0).prefix_output
        assert torch.equal(own, collate(table, np.array([row]), pad_token_id=0).prefix_output)
