from tritune.cautions import baseline_cautions, warnings_of
from tritune.overfit_watch import Watch, watch


def watched(train: list[float], validation: list[float], score: list[float] | None = None) -> Watch:
    rows = [
        {
            "epoch": i + 1,
            "train_loss": t,
            "validation_loss": v,
            "validation_macro_f1": (score or [0.5] * len(train))[i],
            "best": i == 0,
        }
        for i, (t, v) in enumerate(zip(train, validation, strict=True))
    ]
    return watch(rows, monitor="macro_f1", margin=0.01, epochs=3, examples=100)


HEALTHY = watched([0.9, 0.5, 0.4], [0.9, 0.6, 0.6])
OVERFITS = watched([0.9, 0.4, 0.1], [0.8, 0.5, 0.7])
OVERFITS_MORE = watched([0.9, 0.4, 0.1], [0.8, 0.5, 0.9])
UNDERFITS = watched([0.9, 0.6, 0.4], [0.9, 0.7, 0.6], [0.5, 0.8, 0.85])


def warnings(watches: dict[str, dict[int, Watch]], own: dict[int, list[str]] | None = None) -> list[str]:
    given = {name: own or dict.fromkeys(seeds, ()) for name, seeds in watches.items()}
    return warnings_of(given, watches, monitor="macro_f1", first=["first"])


def test_a_healthy_training_is_not_warned_of():
    assert warnings({"full": {13: HEALTHY}}) == ["first"]


def test_of_several_seeds_the_worst_is_told_and_how_many_there_are():
    seeds = {1: HEALTHY, 2: OVERFITS, 3: OVERFITS_MORE, 4: UNDERFITS}
    first, overfits, underfits = warnings({"full": seeds})
    assert first == "first"
    assert overfits.startswith(
        "full (2 of 4 seeds, most of all seed 3) overfits: from epoch 2 to 3 its validation loss rises from "
        "0.500 to 0.900 (by 80 %) while"
    )
    assert overfits.endswith("`tritune remedy full`.")
    assert underfits.startswith("full (seed 4) was still learning when it ended")


def test_a_single_seed_needs_no_number():
    (_, sentence) = warnings({"full": {13: OVERFITS}})
    assert sentence.startswith("full overfits: ")


def test_what_several_trainings_share_is_said_once():
    own = {1: ["the loss did not fall"], 2: ["the loss did not fall"]}
    assert warnings({"full": {1: HEALTHY, 2: HEALTHY}}, own) == [
        "first",
        "full (seed 1), full (seed 2): the loss did not fall",
    ]


def test_a_method_that_loses_to_the_baseline_is_said_to_be_worse():
    baseline = {"name": "counted words", "validation": {"accuracy": 0.8}, "interval": [-0.2, -0.05]}
    (warning,) = baseline_cautions("full", baseline, "accuracy")
    assert warning.startswith(
        "full is worse than counted words, which takes seconds and scores 0.8000 (accuracy"
    )
    assert baseline_cautions("full", baseline | {"interval": [0.01, 0.1]}, "accuracy") == []
    assert baseline_cautions("full", None, "accuracy") == []
