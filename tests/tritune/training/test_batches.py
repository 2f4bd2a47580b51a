from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tritune.tokens import TokenTable
from tritune.training.batches import (
    PADDING_PER_PIECE,
    by_tokens,
    collate,
    epoch_batches,
    pieces,
    steps_per_epoch,
)


def table_of(rows: list[list[int]]) -> TokenTable:
    return TokenTable(
        row_ids=pa.array([f"r{i}" for i in range(len(rows))]),
        tokens=np.array([token for row in rows for token in row], dtype=np.int32),
        offsets=np.cumsum([0, *map(len, rows)]),
        labels=np.arange(len(rows), dtype=np.int32),
    )


@given(rows=st.integers(1, 200), batch_size=st.integers(1, 40), seed=st.integers(0, 2**40))
@settings(max_examples=60, deadline=None)
def test_every_row_comes_once_and_only_the_last_batch_is_short(rows, batch_size, seed):
    batches = epoch_batches(rows, batch_size=batch_size, seed=seed, epoch=0)
    assert sorted(np.concatenate(batches)) == list(range(rows))
    assert len(batches) == steps_per_epoch(rows, batch_size=batch_size)
    assert all(len(batch) == batch_size for batch in batches[:-1])


def test_the_order_depends_on_seed_and_epoch_alone():
    def order(**options):
        return np.concatenate(epoch_batches(100, batch_size=8, **options)).tolist()

    assert order(seed=1, epoch=0) == order(seed=1, epoch=0)
    assert order(seed=1, epoch=0) != order(seed=1, epoch=1)
    assert order(seed=1, epoch=0) != order(seed=2, epoch=0)
    # A big seed must not fall onto a small one, nor (seed, epoch) onto (epoch, seed).
    assert order(seed=1, epoch=0) != order(seed=2**32 + 1, epoch=0)
    assert order(seed=1, epoch=2) != order(seed=2, epoch=1)


def test_the_order_is_the_recorded_one():
    batches = epoch_batches(7, batch_size=2, seed=13, epoch=0)
    assert [batch.tolist() for batch in batches] == RECORDED


RECORDED = [[1, 4], [3, 2], [0, 5], [6]]


@given(lengths=st.lists(st.integers(1, 512), min_size=1, max_size=64))
@settings(max_examples=60, deadline=None)
def test_pieces_hold_every_row_once_with_little_padding(lengths):
    array = np.array(lengths)
    rows = np.arange(100, 100 + len(array))
    cut = pieces(rows, array)
    assert sorted(np.concatenate(cut)) == rows.tolist()
    for piece in cut:
        own = array[piece - 100]
        assert (own.max() - own).sum() <= PADDING_PER_PIECE


def test_pieces_are_cut_where_the_padding_grows_too_large():
    cut = pieces(np.array([7, 8, 9, 6]), np.array([10, 100, 10, 99]))
    assert [piece.tolist() for piece in cut] == [[8, 6], [7, 9]]


def test_rows_of_similar_length_stay_together():
    assert [piece.tolist() for piece in pieces(np.arange(4), np.array([9, 8, 9, 7]))] == [[0, 2, 1, 3]]


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


def test_pieces_hold_no_more_terms_than_fit_and_a_row_with_more_stands_alone():
    rows, lengths, terms = np.array([4, 5, 6, 7]), np.array([9, 9, 9, 9]), np.array([2, 3, 9, 1])
    cut = pieces(rows, lengths, terms=terms, most_terms=5)
    assert [piece.tolist() for piece in cut] == [[4, 5], [6], [7]]
    assert [piece.tolist() for piece in pieces(rows, lengths, terms=terms)] == [[4, 5, 6, 7]]


def test_little_padding_is_no_reason_to_cut_where_it_does_not_run():
    rows, lengths, terms = np.array([4, 5, 6]), np.array([10, 500, 90]), np.array([2, 3, 1])
    cut = pieces(rows, lengths, terms=terms, most_terms=100, packed=True)
    assert [piece.tolist() for piece in cut] == [[5, 6, 4]]
    cut = pieces(rows, lengths, terms=terms, most_terms=4, packed=True)
    assert [piece.tolist() for piece in cut] == [[5, 6], [4]]


def test_a_row_far_longer_than_the_others_does_not_pad_them_all_though_padding_does_not_run():
    lengths = np.array([40] * 20 + [1024] + [40] * 11)
    first, rest = pieces(np.arange(32), lengths, packed=True)
    # 4 rows with 984 places of padding each are within the bound, 5 are not.
    assert (first[0], len(first), len(rest)) == (20, 5, 27)
    assert sorted([*first, *rest]) == list(range(32))


def test_the_mask_of_long_rows_is_bounded_though_padding_does_not_run():
    lengths = np.array([8000, 7000, 6000, 5000, 5000, 5000])
    cut = pieces(np.arange(6), lengths, packed=True)
    assert [piece.tolist() for piece in cut] == [[0, 1], [2, 3, 4, 5]]


@given(lengths=st.lists(st.integers(3, 120), min_size=32, max_size=32))
@settings(max_examples=30, deadline=None)
def test_steps_of_short_texts_run_whole_where_padding_does_not_run(lengths):
    assert len(pieces(np.arange(32), np.array(lengths), packed=True)) == 1


def test_a_batch_tells_its_rows_lengths_where_they_are_wanted():
    table = table_of([[1, 2, 3], [4]])
    rows = np.array([1, 0])
    assert collate(table, rows, pad_token_id=0).row_lengths is None
    lengths = collate(replace(table, packed=True), rows, pad_token_id=0).row_lengths
    assert lengths.tolist() == [[1], [3]]


def test_a_batch_costs_what_its_rows_cost_however_large_the_split_is(monkeypatch):
    table = replace(table_of([[1, 2, 3], [4]]), packed=True)
    monkeypatch.setattr(TokenTable, "lengths", property(lambda _: pytest.fail("went through all rows")))
    assert collate(table, np.array([1]), pad_token_id=0).row_lengths.tolist() == [[1]]


def test_batches_by_tokens_have_about_as_many_each():
    lengths = np.array([90, 40, 30, 30, 20, 10, 10, 5])
    assert [list(each) for each in by_tokens(np.arange(8), lengths, most=80)] == [
        [0],
        [1, 2],
        [3, 4, 5, 6, 7],
    ]
    padded = by_tokens(np.arange(8), lengths, most=80, padded=True)
    assert [list(each) for each in padded] == [[0], [1, 2], [3, 4], [5, 6, 7]]
    assert not by_tokens(np.arange(0), lengths[:0], most=80)


def test_of_many_rows_a_batch_has_a_multiple_of_a_few():
    found = by_tokens(np.arange(50), np.full(50, 4), most=4 * 21)
    assert [len(each) for each in found] == [16, 16, 18]
