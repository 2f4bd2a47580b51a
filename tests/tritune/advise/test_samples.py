import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritune.advise.samples import sample_order, sampled_rows
from tritune.tokens import TokenTable

counts = st.lists(st.integers(1, 60), min_size=1, max_size=8)


def table(ids: list[str], labels: list[int]) -> TokenTable:
    return TokenTable(
        row_ids=pa.array(ids),
        tokens=np.arange(len(ids), dtype=np.int32),
        offsets=np.arange(len(ids) + 1),
        labels=np.array(labels, dtype=np.int32),
    )


@given(counts, st.integers(0, 10_000))
def test_the_order_has_every_example_once_and_is_a_function_of_its_arguments(sizes, seed):
    classes = np.repeat(np.arange(len(sizes)), sizes)
    order = sample_order(len(classes), classes, seed=seed)
    assert sorted(order) == list(range(len(classes)))
    assert (order == sample_order(len(classes), classes, seed=seed)).all()


@given(counts, st.integers(0, 10_000), st.data())
def test_every_sample_has_the_classes_in_proportion(sizes, seed, data):
    classes = np.repeat(np.arange(len(sizes)), sizes)
    size = data.draw(st.integers(1, len(classes)))
    sample = classes[sample_order(len(classes), classes, seed=seed)[:size]]
    found = np.bincount(sample, minlength=len(sizes))
    # All classes are cut at the same share, so that any two shares differ by less than an example of each.
    for one in range(len(sizes)):
        for other in range(len(sizes)):
            assert (found[one] - 1) / sizes[one] <= (found[other] + 1) / sizes[other]


def test_a_rare_class_has_its_share_of_small_samples_on_average():
    classes = np.repeat([0, 1], [95, 5])
    rare = [int((classes[sample_order(100, classes, seed=seed)[:10]] == 1).sum()) for seed in range(2000)]
    assert set(rare) == {0, 1}
    # 0.5 of 10: the mean of 2,000 lies within four standard errors, 4 * 0.5 / sqrt(2000).
    assert np.mean(rare) == pytest.approx(0.5, abs=0.045)


def test_seeds_draw_samples_of_their_own():
    samples = [set(sample_order(1000, None, seed=seed)[:100]) for seed in range(2)]
    assert len(samples[0] & samples[1]) < 30  # 10 are to be expected


def test_small_samples_lie_inside_large_ones():
    given_ = table([f"r{i}" for i in range(90)], [i % 3 for i in range(90)])
    samples = [set(sampled_rows(given_, n, objective="single_label", seed=4)) for n in (10, 30, 89)]
    assert samples[0] < samples[1] < samples[2]
    assert [len(sample) for sample in samples] == [10, 30, 89]
    whole = sampled_rows(given_, None, objective="single_label", seed=4)
    assert list(whole) == list(range(90)) == list(sampled_rows(given_, 90, objective="spans", seed=4))


def test_the_windows_of_an_example_go_together():
    ids = ["a", "b", "b", "b", "c", "d", "d"]
    given_ = table(ids, [0] * 7)
    for seed in range(20):
        rows = sampled_rows(given_, 2, objective="spans", seed=seed)
        chosen = {ids[row] for row in rows}
        assert len(chosen) == 2
        assert list(rows) == [row for row in range(7) if ids[row] in chosen]
