import numpy as np
import pytest

from tritune.training.shares import shares


def test_the_longest_row_left_goes_to_whoever_has_fewest_tokens():
    rows, lengths = np.array([10, 11, 12, 13, 14]), np.array([3, 9, 4, 4, 1])
    # 9 | 4, 4 leave 9 against 8: 3 makes it 9 against 11, and 1 goes to the first.
    assert [each.tolist() for each in shares(rows, lengths, count=2)] == [[11, 14], [12, 13, 10]]


@pytest.mark.parametrize("count", [2, 3, 7])
@pytest.mark.parametrize("rows", [1, 6, 40])
def test_every_row_is_dealt_once_and_evenly_but_for_one_row(rows, count):
    lengths = np.random.RandomState(rows).randint(1, 100, rows)
    dealt = shares(np.arange(rows), lengths, count=count)
    assert len(dealt) == count
    assert sorted(np.concatenate(dealt).tolist()) == list(range(rows))
    tokens = [int(lengths[each].sum()) for each in dealt]
    assert max(tokens) - min(tokens) <= lengths.max()
    assert len(dealt[0]) >= 1


def test_one_process_has_the_rows_as_they_are():
    rows = np.array([4, 2, 9])
    assert shares(rows, np.array([1, 5, 3]), count=1)[0] is rows
