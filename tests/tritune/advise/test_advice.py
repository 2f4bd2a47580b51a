"""What is said of made-up curves whose truth is known."""

import numpy as np
import pytest

from tritune.advise.advice import AtSize, advise, share_error_rate
from tritune.comparison import Method, Training
from tritune.evidence import Evidence, weigh
from tritune.metrics.sums import mean_parts
from tritune.settings.decide import CompareSettings
from tritune.statistics.holm import holm

ACCURACY = CompareSettings(metric="accuracy")
IDS = [str(i) for i in range(400)]


def at_size(examples: int, means: dict[str, float], *, seeds: int = 5, spread: float = 0.004) -> AtSize:
    """Methods whose answers to 400 examples are right as often as said, with luck of each seed."""
    draw = np.random.default_rng(examples)
    order = draw.permutation(400)  # which examples are hard is the same for all
    parts, methods = {}, []
    for name, mean in means.items():
        answers = []
        for luck in draw.normal(0, spread, size=seeds):
            right = np.zeros(400)
            right[order[: round(400 * (mean + luck))]] = 1
            answers.append(right)
        parts[name] = [mean_parts(IDS, right) for right in answers]
        trainings = [
            Training(
                seed=13 + i,
                validation={"accuracy": float(right.mean())},
                test={"accuracy": float(right.mean()) - 0.01},
                epochs=5,
                best_epoch=4,
                compute=1e9 if name == "partial" else 3e9,
            )
            for i, right in enumerate(answers)
        ]
        methods.append(Method(name, name, 10, 20, trainings))
    return AtSize(
        size=str(examples),
        examples=examples,
        methods=methods,
        parts={"validation": parts, "test": parts},
        passes=20,
        evaluations=5,
        classes=77,
        classes_without_examples=[2] * seeds if examples < 200 else [0] * seeds,
    )


def evidence_of(one: AtSize) -> Evidence:
    scores = {method.name: [t.validation["accuracy"] for t in method.trainings] for method in one.methods}
    return weigh(scores, metric="accuracy", parts=one.parts["validation"])


@pytest.fixture(scope="module")
def crossed() -> dict:
    """Partial is better with few examples, full with many."""
    sizes = [
        at_size(100, {"full": 0.50, "partial": 0.60}),
        at_size(1000, {"full": 0.80, "partial": 0.80}),
        at_size(9000, {"full": 0.93, "partial": 0.88}),
    ]
    return advise(sizes, ACCURACY)


def test_the_verdict_names_the_method_the_crossing_and_what_more_labels_bring(crossed):
    ships, crossing, more = crossed["verdict"]
    assert ships.startswith("With 9,000 labelled examples full ships: it has the highest validation accuracy")
    assert crossing == "Full overtakes partial between 100 and 9,000 examples."
    assert more.startswith("18,000 labelled examples would bring full to a validation accuracy of about 0.9")
    assert " better than 9,000 (95% interval of the gain: " in more
    assert crossed["chosen"] == {"method": "full", "examples": 9000, "decision": "better"}
    assert [one["chosen"] for one in crossed["sizes"]] == ["partial", "partial", "full"]


def test_the_forecast_is_one_of_the_largest_size_and_of_every_method(crossed):
    for name in ("full", "partial"):
        twice, four_times = crossed["forecasts"][name]
        assert (twice["examples"], four_times["examples"]) == (18_000, 36_000)
        measured = crossed["sizes"][-1]["methods"][["full", "partial"].index(name)]["validation"]["mean"]
        assert measured < twice["score"] <= four_times["score"] < 1
        assert twice["score"] - measured == pytest.approx(twice["gain"], abs=0.01)


def test_all_tests_of_all_sizes_share_one_error_rate():
    sizes = [
        at_size(n, {"full": 0.8, "partial": 0.8 + gap, "adaptive": 0.81})
        for n, gap in ((100, 0.02), (900, 0.01))
    ]
    alone = [evidence_of(one) for one in sizes]
    raw = {
        (index, d.first, d.second): d.advantage.p_value()
        for index, known in enumerate(alone)
        for d in known.differences
    }
    shared = share_error_rate(alone)
    found = {
        (index, d.first, d.second): d.p_adjusted
        for index, known in enumerate(shared)
        for d in known.differences
    }
    assert found == holm(raw)
    assert [known.tests for known in shared] == [6, 6]
    assert shared[0].level == pytest.approx(0.05 / 6)


def test_a_size_with_two_seeds_claims_nothing_takes_nothing_and_is_said_to():
    sizes = [
        at_size(300, {"full": 0.70, "partial": 0.60}),
        at_size(1000, {"full": 0.80, "partial": 0.60}, seeds=2),
    ]
    advice = advise(sizes, ACCURACY)
    assert [one["differences"][0]["claimed"] for one in advice["sizes"]] == [True, False]
    assert advice["tests"] == 1
    assert advice["chosen"]["examples"] == 300  # the largest size that shows anything
    assert advice["verdict"][0].startswith("With 300 labelled examples ")
    assert advice["verdict"][-1].startswith("2,000 labelled examples would bring full to ")
    assert " better than 1,000 (95% interval of the gain: " in advice["verdict"][-1]
    assert (
        "1,000 examples: two seeds, too few to show anything; more budget adds seeds." in advice["cautions"]
    )
    assert any(one.startswith("Two sizes don't tell whether a curve flattens") for one in advice["cautions"])


def test_missing_classes_and_trainings_that_ended_too_early_are_said(crossed):
    assert [one for one in crossed["cautions"] if "of 77 classes" in one] == [
        "100 examples: up to 2 of 77 classes have none in the sample, as would happen to so few labels taken "
        "by chance; nobody can learn those."
    ]
    early = at_size(300, {"full": 0.7})
    early = AtSize(**{**vars(early), "evaluations": 4})
    (caution,) = advise([early], ACCURACY)["cautions"]
    assert caution.startswith(
        "300 examples: full had the best validation score at the very end in every seed"
    )


def test_one_size_foretells_nothing_and_says_so():
    advice = advise([at_size(300, {"full": 0.7, "partial": 0.6})], ACCURACY)
    assert advice["forecasts"] == {"full": [], "partial": []}
    assert advice["verdict"][-1] == (
        "What more labels would bring can't be told from one size, or from one seed a size."
    )
    few = advise([at_size(300, {"full": 0.7, "partial": 0.6}, seeds=2)], ACCURACY)
    assert not any("params.yaml" in sentence for sentence in few["verdict"])
    (caution,) = advise([at_size(300, {"full": 0.7}, seeds=1)], ACCURACY)["cautions"]
    assert caution == (
        "300 examples: one seed, too few to show anything; the interval knows nothing of its luck; more "
        "budget adds seeds."
    )
    single = advise([at_size(300, {"full": 0.7})], ACCURACY)
    assert single["crossings"] == []
    assert single["tests"] == 0


def test_equal_methods_are_rarely_told_apart():
    """Over 30 made-up projects with no difference at any of three sizes, at most a few claim one."""
    claims = 0
    for project in range(30):
        equal = {"full": 0.8, "partial": 0.8, "adaptive": 0.8}
        known = [evidence_of(at_size(n + project, equal)) for n in (100, 1000, 9000)]
        claims += any(one.claimed for size in share_error_rate(known) for one in size.differences)
    assert claims <= 4  # 5 % of 30 is 1.5; more than 4 comes once in fifty times
