import numpy as np
import pyarrow as pa
import pytest

from tritune.outputs import Outputs
from tritune.tagging import Found, TaggedWords, found_entities, tag_words

LABELS = ["O", "B-x", "I-x"]


def logits(*best: int) -> np.ndarray:
    """Each token's best tag has odds of 2 to 1 to 1."""
    return np.log(
        np.array([[2.0 if tag == index else 1.0 for index in range(3)] for tag in best], np.float32)
    )


def test_words_have_the_tag_of_the_token_that_answers_for_them() -> None:
    answers = tag_words(
        Outputs(logits(1, 1, 2, 2, 0, 1, 2), np.array([0, 4, 6, 7])),
        row_ids=pa.array(["a", "a", "c"]),
        words=np.array([-1, 0, -1, 1, -1, 3, 0]),
        labels=LABELS,
        texts=[("a", 4), ("b", 2), ("c", 1)],
    )
    half = pytest.approx(0.5)
    assert list(answers) == [
        TaggedWords(["B-x", "I-x", "O", "B-x"], [half, half, 0.0, half]),
        TaggedWords(["O", "O"], [0.0, 0.0]),
        TaggedWords(["I-x"], [half]),
    ]


def test_an_entity_is_as_sure_as_its_least_sure_word() -> None:
    answer = TaggedWords(["B-x", "I-x", "O", "I-x"], [0.9, 0.6, 0.5, 0.7])
    assert found_entities(answer) == [Found("x", 0, 2, 0.6), Found("x", 3, 4, 0.7)]
