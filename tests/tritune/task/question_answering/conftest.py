from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def pointing_folder(tiny_base: Path, tmp_path: Path) -> Callable[[], Path]:
    """Return a function: the folder of a tiny random model that points, as the stage `train` writes it."""

    def make() -> Path:
        import torch
        from transformers import AutoModelForQuestionAnswering, AutoTokenizer

        from tritune.models.finetuned import mark

        AutoTokenizer.from_pretrained(tiny_base, model_max_length=24).save_pretrained(tmp_path)
        with torch.random.fork_rng():
            torch.manual_seed(5)
            model = AutoModelForQuestionAnswering.from_pretrained(tiny_base)
        mark(
            model,
            task="question_answering",
            objective="spans",
            inputs=("question", "context"),
            answering={"stride": 5},
        )
        model.save_pretrained(tmp_path)
        return tmp_path

    return make
