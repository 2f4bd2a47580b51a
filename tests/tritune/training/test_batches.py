import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tritune.tokens import TokenTable
from tritune.training.batches import collate, epoch_batches, steps_per_epoch


def table_of(rows: list[list[int]]) -> TokenTable:
    return TokenTable(
        row_ids=pa.array([f"r{i}" for i in range(len(rows))]),
        tokens=np.array([token for row in rows for token in row], dtype=np.int32),
        offsets=np.cumsum([0, *map(len, rows)]),
        labels=np.arange(len(rows), dtype=np.int32),
    )


@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=200),
    batch_size=st.integers(1, 40),
    window=st.integers(1, 5),
    seed=st.integers(0, 2**40),
)
@settings(max_examples=60, deadline=None)
def test_every_row_comes_once_and_only_the_last_batch_is_short(lengths, batch_size, window, seed):
    array = np.array(lengths)
    batches = epoch_batches(array, batch_size=batch_size, seed=seed, epoch=0, window=window)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert len(batches) == steps_per_epoch(len(lengths), batch_size=batch_size)
    assert all(len(batch) == batch_size for batch in batches[:-1])


def test_the_order_depends_on_seed_and_epoch_alone():
    lengths = np.random.default_rng(0).integers(3, 40, 100)

    def order(**options):
        return np.concatenate(epoch_batches(lengths, batch_size=8, **options)).tolist()

    assert order(seed=1, epoch=0) == order(seed=1, epoch=0)
    assert order(seed=1, epoch=0) != order(seed=1, epoch=1)
    assert order(seed=1, epoch=0) != order(seed=2, epoch=0)
    # A big seed must not fall onto a small one, nor (seed, epoch) onto (epoch, seed).
    assert order(seed=1, epoch=0) != order(seed=2**32 + 1, epoch=0)
    assert order(seed=1, epoch=2) != order(seed=2, epoch=1)


def test_the_order_is_the_recorded_one():
    batches = epoch_batches(np.array([3, 9, 4, 8, 5, 7, 6]), batch_size=2, seed=13, epoch=0)
    assert [batch.tolist() for batch in batches] == RECORDED


RECORDED = [[3, 1], [4, 5], [0, 2], [6]]


def test_sorting_in_windows_saves_padding():
    lengths = np.random.default_rng(0).integers(3, 128, 3200)

    def padded(window):
        batches = epoch_batches(lengths, batch_size=32, seed=0, epoch=0, window=window)
        return sum(lengths[batch].max() * len(batch) for batch in batches) / lengths.sum()

    assert padded(1) > 1.5
    assert padded(50) < 1.1


def test_the_leftover_is_not_the_longest_rows():
    lengths = np.arange(1, 104)
    means = [
        lengths[epoch_batches(lengths, batch_size=10, seed=0, epoch=epoch)[-1]].mean() for epoch in range(50)
    ]
    assert 40 < np.mean(means) < 64


def test_collate_pads_at_the_end_and_masks_it():
    batch = collate(table_of([[1, 2, 3], [4], [5, 6]]), np.array([2, 0, 1]), pad_token_id=9)
    assert batch.input_ids.tolist() == [[5, 6, 9], [1, 2, 3], [4, 9, 9]]
    assert batch.attention_mask.tolist() == [[1, 1, 0], [1, 1, 1], [1, 0, 0]]
    assert batch.labels.tolist() == [2, 0, 1]


def test_the_last_row_of_the_table_can_be_padded():
    batch = collate(table_of([[1, 2, 3], [4]]), np.array([1, 0]), pad_token_id=0)
    assert batch.input_ids.tolist() == [[4, 0, 0], [1, 2, 3]]


@pytest.mark.parametrize(("rows", "size", "steps"), [(1, 32, 1), (32, 32, 1), (33, 32, 2), (64, 32, 2)])
def test_steps_per_epoch(rows, size, steps):
    assert steps_per_epoch(rows, batch_size=size) == steps
