"""The streams are what they are said to be, and the page says what was measured."""

import numpy as np
import pytest

from benchmarks import drift, drift_streams
from benchmarks.drift import alarms, enough_of_each, label_set_alarms, page
from benchmarks.drift_streams import (
    label_shift,
    lost_class,
    new_class,
    new_classes,
    renamed_class,
    same_source,
    taken_away,
    topic_shift,
)
from tritune.errors import InputError

LABELS = ["a", "b", "c", "d", "e", "f"]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch):
    for module in (drift, drift_streams):
        monkeypatch.setattr(module, "CHAMPION_ROWS", 100)
    monkeypatch.setattr(drift, "DRAWS", 3)
    monkeypatch.setattr(drift, "NEW_ROWS", (20, 40, 60))


@pytest.fixture
def pool() -> list[tuple[str, str]]:
    """Texts of two words that tell the class."""
    return [(f"{label}one {label}two {number}", label) for number in range(120) for label in LABELS]


def drawn(draw, count: int = 40):
    champion, tonight = draw(np.random.default_rng(3), count)
    return champion, tonight


def embed(texts) -> np.ndarray:
    return np.array([[ord(text[0]), len(text)] for text in texts], dtype=np.float64)


def test_without_drift_the_new_rows_are_others_of_the_same_classes(pool):
    champion, tonight = drawn(same_source(pool))
    assert (tonight[:100], len(champion), len(tonight)) == (champion, 100, 140)
    assert len(set(tonight)) == 140
    champion, tonight = drawn(taken_away(pool))
    assert (len(champion), champion[40:]) == (100, tonight)


@pytest.mark.parametrize(("strength", "fewest", "most"), [(0.0, 0, 32), (1.0, 40, 40)])
def test_a_label_shift_has_its_share_of_the_favoured_classes(pool, strength, fewest, most):
    _, tonight = drawn(label_shift(pool, strength))
    counts = sorted((sum(row[1] == label for row in tonight[100:]) for label in LABELS), reverse=True)
    assert len(tonight) == 140
    assert fewest <= sum(counts[:3]) <= most


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_a_topic_shift_changes_what_a_label_means_and_not_how_often_it_comes(pool, strength):
    champion, shifted = drawn(topic_shift(pool, strength))
    _, usual = drawn(topic_shift(pool, 0.0))
    assert [label for _, label in shifted] == [label for _, label in usual]
    assert all(text[0] == label for text, label in champion)
    moved = np.mean([text[0] != label for text, label in shifted[100:]])
    assert abs(moved - strength) <= 0.25 * (0 < strength < 1)
    assert len({text for text, _ in shifted}) == 140


def test_a_total_shift_always_alarms(pool):
    found = alarms(topic_shift(pool, 1.0), 40, 3, embed=embed)
    assert found["alarms"] == 1.0
    assert found["by"]["vocabulary"] == 1.0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (new_class, {"named": 1.0, "drift": 0.0, "stopped": 0.0}),
        (new_classes, {"named": 1.0, "drift": 1.0, "stopped": 0.0}),
        (renamed_class, {"named": 0.0, "drift": 0.0, "stopped": 1.0}),
        (lost_class, {"named": 0.0, "drift": 0.0, "stopped": 1.0}),
    ],
)
def test_a_changed_label_set_never_goes_unnoticed(pool, change, expected):
    assert label_set_alarms(change(pool), embed=embed) == expected


def test_too_few_rows_are_refused(pool):
    with pytest.raises(InputError) as refused:
        enough_of_each(pool[:300])
    assert str(refused.value) == (
        "--data: 0 distinct texts are in classes of 100 or more, and 320 are needed; name a folder with more"
    )


def test_the_page_gives_each_line_and_all_false_alarms_together():
    content = {
        "data": "tickets",
        "rows": 4000,
        "classes": 77,
        "champion_rows": 600,
        "false_draws": 200,
        "draws": 20,
        "false_alarms": [
            {"stream": "new rows of the same source", "rows": 50, "alarms": 0.03, "by": {"labels": 0.03}},
            {"stream": "rows taken away, whichever", "rows": 200, "alarms": 0.05, "by": {}},
        ],
        "detection": [
            {"shift": shift, "strength": strength, "rows": count, "alarms": 0.9, "by": {"labels": 0.8}}
            for shift in ("labels", "topics")
            for strength in drift.STRENGTHS
            for count in drift.NEW_ROWS
        ],
        "label_sets": [{"change": "one row of a new class", "named": 1.0, "drift": 0.1, "stopped": 0.0}],
    }
    written = page(content)
    assert "give or take 3.1 % a line, and 2.2 % for all of them" in written
    assert "| new rows of the same source | 50 | 3.0 % |" in written
    assert "| all | | 4.0 % |" in written
    assert "| labels | 10 % | 90 % (labels) | 90 % (labels) | 90 % (labels) |" in written
    assert "| one row of a new class | 100 % | 10 % | 0 % |" in written
