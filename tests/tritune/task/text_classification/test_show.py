from pathlib import Path

from tritune.task.contract import Shipped
from tritune.task.text_classification.show import cautions, floor


def warnings(mcc: float, rows: int = 100) -> list[str]:
    half = rows // 2
    counts = {"train": {"home": 4, "travel": 5}, "validation": {"home": half, "travel": rows - half}}
    counts["test"] = counts["validation"]
    profile = {
        "multi_label": False,
        "splits": {split: {"rows_per_label": labels} for split, labels in counts.items()},
    }
    shipped = Shipped(
        evaluation=Path(),
        ingested=Path(),
        labels=["home", "travel"],
        objective="single_label",
        profile=profile,
        scores={"validation": {"accuracy": 0.52, "matthews_correlation": mcc}},
        floor=floor(profile, ["home", "travel"]),
    )
    return cautions("full", shipped)


def test_a_model_near_the_majority_class_is_called_so():
    assert warnings(0.05) == [
        "full is not clearly better than always answering 'travel': validation accuracy 0.520 against 0.500, "
        "and a Matthews correlation of 0.050 where chance alone reaches 0.200 on 100 rows. Look at the "
        "labels, train for longer, or try another learning rate."
    ]


def test_a_model_clearly_above_chance_is_not():
    assert warnings(0.21) == []
    assert warnings(0.05, rows=2000) == []
