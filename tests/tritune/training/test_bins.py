"""Rows share bins: each has its own places, few sizes come of many lengths, groups begin where they pay."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from tritune.training import bins as module
from tritune.training.bins import bin_width, bins_of, rounded_up
from tritune.training.group_masks import bin_masks


def drawn(count: int, *, longest: int, seed: int = 0) -> list[int]:
    draw = np.random.default_rng(seed)
    return sorted(draw.integers(1, longest + 1, count).tolist(), reverse=True)


@pytest.mark.parametrize("few_sizes", [False, True])
@pytest.mark.parametrize("longest", [5, 60, 700])
def test_every_row_has_places_of_its_own_inside_one_bin(longest, few_sizes):
    lengths = drawn(50, longest=longest)
    groups = bins_of(lengths, few_sizes=few_sizes)
    assert np.concatenate([group.lengths for group in groups]).tolist() == lengths
    for group in groups:
        assert len(set(group.places)) == group.lengths.sum()
        assert group.places.max() < group.count * group.width
        starts = np.cumsum(group.lengths) - group.lengths
        for start, length in zip(starts, group.lengths, strict=True):
            own = group.places[start : start + length]
            assert (np.diff(own) == 1).all()
            assert own[0] // group.width == own[-1] // group.width
            assert group.column[start : start + length].tolist() == list(range(length))


def test_short_rows_share_a_bin():
    (group,) = bins_of([30, 20, 16, 9, 9, 9, 9, 3], few_sizes=False)
    assert (group.width, group.count) == (32, 4)
    assert group.bins.tolist() == [0, 1, 2, 1, 2, 3, 3, 1]
    assert group.offsets.tolist() == [0, 0, 0, 20, 16, 0, 9, 29]


def test_long_rows_and_short_ones_get_groups_of_their_own_where_that_saves_more_pairs_than_it_costs(
    monkeypatch,
):
    # One bin of 160 has 25,600 pairs, room for 60 more tokens; of 32 another of 1,024 would do.
    lengths = [150, *[20] * 5]
    monkeypatch.setattr(module, "PAIRS_PER_GROUP", 4000)
    assert [(g.width, g.count) for g in bins_of(lengths, few_sizes=False)] == [(160, 1), (32, 5)]
    monkeypatch.setattr(module, "PAIRS_PER_GROUP", 50_000)
    assert [(g.width, g.count) for g in bins_of(lengths, few_sizes=False)] == [(160, 2)]


def test_a_group_has_no_more_pairs_than_stay_at_hand(monkeypatch):
    monkeypatch.setattr(module, "MOST_PAIRS", 3 * 64**2)
    groups = bins_of([60] * 7, few_sizes=True)
    assert [(group.width, group.count) for group in groups] == [(64, 3), (64, 3), (64, 1)]
    assert [len(group.lengths) for group in groups] == [3, 3, 1]
    monkeypatch.setattr(module, "MOST_PAIRS", 1)
    assert [group.count for group in bins_of([60, 60], few_sizes=False)] == [1, 1]


def test_sizes_that_are_few():
    draw, sizes = np.random.default_rng(0), set()
    for _ in range(300):
        lengths = sorted(draw.geometric(0.07, 32).clip(3, 64).tolist(), reverse=True)
        sizes.update((group.count, group.width) for group in bins_of(lengths, few_sizes=True))
    assert {width for _, width in sizes} == {32, 64}
    assert len(sizes) < 12


def test_widths_are_a_fixed_few():
    widths = sorted({bin_width(length) for length in range(1, 513)})
    assert widths == [32, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512]
    for below, width in pairwise(widths):
        assert bin_width(below + 1) == bin_width(width) == width


def test_rounded_up_is_the_next_of_so_many_steps():
    assert [rounded_up(size, least=1, between_powers=2) for size in (1, 2, 3, 5, 7, 9, 13)] == [
        1,
        2,
        3,
        6,
        8,
        12,
        16,
    ]


class OneBin:
    """The layout of three rows that share a bin."""

    lengths = (20, 7, 5)
    row_numbers = torch.tensor([2, 0, 1])
    """In the batch, longest first."""

    bins = bins_of(lengths, few_sizes=False)


def looks(mask: torch.Tensor | None, *, causal: bool = False) -> torch.Tensor:
    """Return [tokens, tokens] of the three rows, who may look at whom; heads must agree."""
    (group,) = OneBin.bins
    assert group.count == 1
    (found,) = bin_masks(mask, OneBin, causal=causal)
    assert found.shape[2:] == (32, 32)
    assert torch.equal(found[:, 0], found[:, -1])
    places = torch.from_numpy(group.places)
    return found[0, 0][places][:, places]


def blocks(kind) -> torch.Tensor:
    return torch.block_diag(*[kind(length).float() for length in OneBin.lengths]).bool()


def test_without_a_mask_a_token_looks_at_its_row_or_at_what_came_before():
    assert torch.equal(looks(None), blocks(lambda n: torch.ones(n, n)))
    assert torch.equal(looks(None, causal=True), blocks(lambda n: torch.ones(n, n).tril()))


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("queries", [1, 20])
@pytest.mark.parametrize("rows", [1, 3])
def test_a_mask_holds_within_each_row(rows, queries, heads):
    torch.manual_seed(0)
    mask = (torch.rand(rows, 1, queries, 20) < 0.5).expand(-1, heads, -1, -1)
    whole = mask.expand(3, heads, 20, 20)[:, 0]
    each = zip(OneBin.row_numbers.tolist(), OneBin.lengths, strict=True)
    expected = torch.block_diag(*[whole[row, :n, :n].float() for row, n in each])
    assert torch.equal(looks(mask), expected.bool())


def test_of_an_added_mask_other_rows_get_the_lowest_number():
    torch.manual_seed(0)
    mask = torch.randn(3, 1, 20, 20)
    found = looks(mask)
    assert torch.equal(found[:20, :20], mask[2, 0])
    assert torch.equal(found[20:27, 20:27], mask[0, 0, :7, :7])
    assert (found[:20, 20:] == torch.finfo(torch.float32).min).all()


def test_a_bin_has_no_more_rows_than_it_has_places_for_what_is_read():
    (group,) = bins_of([2] * 20, few_sizes=False)
    assert np.bincount(group.bins).tolist() == [8, 8, 4]
