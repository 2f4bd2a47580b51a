import numpy as np
import pytest
import torch

from tritune.training import row_layout
from tritune.training.row_layout import RowLayout, few_counts, group_starts

CPU = torch.device("cpu")


def layout(*lengths: int, longest: int = 7) -> RowLayout:
    return RowLayout(torch.tensor(lengths), longest=longest, device=CPU)


def test_rows_lie_end_to_end_longest_first():
    padded = torch.tensor([[1, 2, 0, 0], [3, 4, 5, 6], [7, 0, 0, 0]])[..., None]
    rows = layout(2, 4, 1, longest=4)
    assert rows.pack(padded).flatten().tolist() == [3, 4, 5, 6, 1, 2, 7]
    assert torch.equal(rows.unpack(rows.pack(padded)), padded)


def test_what_holds_for_every_row_is_repeated_for_each():
    assert layout(2, 4, 1).pack(torch.arange(7)[None]).tolist() == [[0, 1, 2, 3, 0, 1, 0]]


def test_a_group_begins_where_padding_to_the_longest_costs_more_pairs_than_a_group(monkeypatch):
    monkeypatch.setattr(row_layout, "PAIRS_PER_GROUP", 15)
    # 16 - 9 and 16 - 9 are 14 pairs; one more row of 3 would be the 21st. 9 - 4 is 5 more.
    assert group_starts([4, 3, 3, 3, 2]) == [0, 3]
    assert group_starts([5, 5, 5]) == [0]
    assert group_starts([9]) == [0]


def test_counts_that_are_few_pad_little():
    draw, counts, padded, tokens = np.random.default_rng(0), set(), 0, 0
    for _ in range(300):
        lengths = draw.geometric(0.07, 32).clip(3, 64)
        tokens, padded = tokens + lengths.sum(), padded + few_counts(int(lengths.sum()))
        counts.add(few_counts(int(lengths.sum())))
    assert len(counts) < 20
    assert 1 < padded / tokens < 1.05


@pytest.mark.parametrize("pairs", [0, 20, 10**9])
def test_groups_hold_every_row_and_lead_back(monkeypatch, pairs):
    monkeypatch.setattr(row_layout, "PAIRS_PER_GROUP", pairs)
    rows = layout(3, 7, 2, 7, 5)
    padded = torch.randn(5, 7, 2)
    packed = rows.pack(padded)
    parts = rows.split(packed)
    assert torch.equal(rows.join(parts), packed)
    assert sorted(torch.cat([group.rows for group in rows.groups]).tolist()) == [0, 1, 2, 3, 4]
    lengths = [3, 7, 2, 7, 5]
    for group, part in zip(rows.groups, parts, strict=True):
        assert group.width == max(lengths[row] for row in group.rows)
        for row, found in zip(group.rows.tolist(), part, strict=True):
            assert torch.equal(found[: lengths[row]], padded[row, : lengths[row]])
            assert not found[lengths[row] :].any()


def test_fillers_change_nothing_of_what_leads_back():
    plain = layout(3, 7, 2, 7, 5)
    rows = RowLayout(torch.tensor([3, 7, 2, 7, 5]), longest=7, device=CPU, tokens=30)
    padded = torch.randn(5, 7, 2)
    packed = rows.pack(padded)
    assert torch.equal(packed[:, :24], plain.pack(padded))
    assert packed.shape == (1, 30, 2)
    assert not packed[:, 24:].any()
    assert torch.equal(rows.join(rows.split(packed)), packed)
    assert torch.equal(rows.unpack(packed), plain.unpack(plain.pack(padded)))


@pytest.mark.parametrize("tokens", [None, 30])
def test_gradients_go_back_to_where_the_numbers_came_from_with_fillers_or_without(tokens):
    rows = RowLayout(torch.tensor([3, 7, 2, 7, 5]), longest=7, device=CPU, tokens=tokens)
    packed = torch.randn(1, rows.tokens, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: rows.join([part**2 for part in rows.split(x)]), packed)
    assert torch.autograd.gradcheck(lambda x: rows.unpack(x) ** 2, packed)
    padded = torch.randn(5, 7, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: rows.pack(x) ** 2, padded)


def test_what_is_packed_may_be_written_into():
    rows = layout(3, 7, 2, 7, 5)
    padded = torch.randn(5, 7, 2, requires_grad=True)
    packed = rows.pack(padded)
    packed += 1
    joined = rows.join(rows.split(packed))
    joined *= 2
    joined.sum().backward()
    assert padded.grad.sum() == 2 * 24 * 2


def test_gradients_go_back_to_where_the_numbers_came_from():
    rows = layout(3, 7, 2, 7, 5)
    padded = torch.randn(5, 7, 2, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(1, 24, 2, dtype=torch.float64)
    (rows.pack(padded) * weights).sum().backward()
    assert torch.equal(padded.grad, rows.unpack(weights))
    packed = torch.randn(1, 24, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: rows.join([part**2 for part in rows.split(x)]), packed)
    assert torch.autograd.gradcheck(lambda x: rows.unpack(x) ** 2, packed)


@pytest.mark.parametrize("fillers", [None, 3])
def test_each_head_of_the_rows_comes_apart_into_bins_and_together(fillers):
    sizes, heads = [2, 4, 1, 7, 40], 3
    tokens = None if fillers is None else sum(sizes) + fillers
    rows = RowLayout(torch.tensor(sizes), longest=40, device=CPU, tokens=tokens)
    by_head = rows.by_head(heads)
    given = torch.randn(1, heads, rows.tokens, 5)
    flat = by_head.apart_with_zeros(given)
    begun, found = 0, torch.zeros_like(flat)
    for group in rows.bins:
        part = found[begun : begun + group.count * heads * group.width]
        begun += len(part)
        part = part.view(group.count, heads, group.width, 5)
        token = sum(len(each.lengths) for each in rows.bins[: rows.bins.index(group)])
        token = int(rows.starts[token])
        for length, bin_, offset in zip(group.lengths, group.bins, group.offsets, strict=True):
            part[bin_, :, offset : offset + length] = given[0, :, token : token + length]
            token += length
    assert begun == len(flat)
    assert torch.equal(flat, found)
    assert by_head.groups == [(heads * group.count, group.width) for group in rows.bins]
    assert bool(by_head.apart(given).isfinite().all())
    together = by_head.together(by_head.apart(given))
    assert torch.equal(together[:, :, : sum(sizes)], given[:, :, : sum(sizes)])
    assert not together[:, :, sum(sizes) :].any()
