from math import exp

import numpy as np
import pyarrow as pa
import pytest

from tritune.generation import Written
from tritune.question_answering.written_answers import prompt_of, says_nothing, surest
from tritune.tokens import IGNORED, TokenTable


def written(text: str, mean: float) -> Written:
    return Written(ids=(1,), text=text, mean_log_probability=mean, ended=True)


def test_the_surest_window_that_says_something_counts():
    answer = surest([written("no answer", -0.01), written(" Ada ", -0.5), written("Bob", -0.7)])
    assert (answer.text, answer.score, answer.start, answer.end) == ("Ada", -0.5, None, None)
    assert answer.probability == pytest.approx(exp(-0.5))


def test_no_answer_only_where_every_window_says_so():
    answer = surest([written("No answer.", -0.2), written("", -0.1)])
    assert (answer.text, answer.score) == ("", -0.1)


@pytest.mark.parametrize(
    "text", ["", " ", "no answer", "No answer.", "“no answer”"[1:-1], "the no-answer"[4:].replace("-", " ")]
)
def test_what_says_that_there_is_none(text):
    assert says_nothing(text)
    assert not says_nothing(text + " Ada")


def test_a_decoder_s_prompt_ends_where_its_answer_begins():
    table = TokenTable(
        row_ids=pa.array(["a", "b"]),
        tokens=np.array([5, 6, 7, 8, 9, 4], dtype=np.int32),
        offsets=np.array([0, 4, 6], dtype=np.int64),
        labels=np.array([IGNORED, IGNORED, 7, 8, IGNORED, 4], dtype=np.int32),
        label_offsets=np.array([0, 4, 6], dtype=np.int64),
    )
    assert prompt_of(table, 0, writes_on=True) == [5, 6]
    assert prompt_of(table, 1, writes_on=True) == [9]
    assert prompt_of(table, 0, writes_on=False) == [5, 6, 7, 8]
