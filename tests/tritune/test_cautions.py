from tritune.cautions import baseline_cautions, overfitting_caution, unfinished_caution


def history(train: list[float], validation: list[float], score: list[float] | None = None) -> list[dict]:
    return [
        {
            "epoch": i + 1,
            "train_loss": t,
            "validation_loss": v,
            "validation_macro_f1": (score or [0.5] * len(train))[i],
            "validation_negative_log_likelihood": v,
        }
        for i, (t, v) in enumerate(zip(train, validation, strict=True))
    ]


def test_overfitting_is_told_with_its_numbers():
    assert overfitting_caution("full, seed 13,", history([0.9, 0.4, 0.1], [0.8, 0.5, 0.7])) == (
        "full, seed 13, overfits: from epoch 2 to 3 its validation loss rises from 0.500 to 0.700 while the "
        "training loss falls from 0.400 to 0.100. The epoch with the best score was kept; fewer epochs, a "
        "lower rate or more frozen layers may do better."
    )


def test_no_overfitting_without_a_real_rise_or_without_a_falling_training_loss():
    assert overfitting_caution("full", history([0.9, 0.4, 0.1], [0.8, 0.5, 0.51])) is None
    assert overfitting_caution("full", history([0.9, 0.4, 0.5], [0.8, 0.5, 0.9])) is None
    assert overfitting_caution("full", history([0.9], [0.8])) is None


def unfinished(scores: list[float], epochs: int = 3, monitor: str = "macro_f1") -> str | None:
    rows = history([0.5] * len(scores), scores, scores)
    return unfinished_caution("full", rows, monitor=monitor, margin=0.01, epochs=epochs)


def test_a_training_that_still_gains_in_its_last_epoch_is_told():
    assert unfinished([0.5, 0.8, 0.85]) == (
        "full was still learning when it ended: epoch 3 brought the validation macro F1 from 0.800 to 0.850. "
        "More than 3 epochs may help."
    )
    assert unfinished([0.9, 0.5, 0.4], monitor="negative_log_likelihood") is not None


def test_a_training_that_has_settled_or_stopped_early_is_not():
    assert unfinished([0.5, 0.8, 0.805]) is None
    assert unfinished([0.5, 0.8, 0.9], epochs=5) is None
    assert unfinished([0.9], epochs=1) is None


def test_a_method_that_loses_to_the_baseline_is_said_to_be_worse():
    baseline = {"name": "counted words", "validation": {"accuracy": 0.8}, "interval": [-0.2, -0.05]}
    (warning,) = baseline_cautions("full", baseline, "accuracy")
    assert warning.startswith(
        "full is worse than counted words, which takes seconds and scores 0.8000 (accuracy"
    )
    assert baseline_cautions("full", baseline | {"interval": [0.01, 0.1]}, "accuracy") == []
    assert baseline_cautions("full", None, "accuracy") == []
