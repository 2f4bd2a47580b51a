import numpy as np
import pytest

from benchmarks.gpu_cases import CASES, MODELS, random_rows
from benchmarks.gpu_speed import figures, markdown
from benchmarks.one_gpu_training import padded_batch


def turn(seconds: float, *, tokens: int = 1000) -> dict:
    return {"seconds": seconds, "tokens": tokens, "operations": tokens * 1e9, "loss": 2.0}


CASE = {
    "matrix_rate": 1e12,
    "contenders": {
        "tritune": {
            "turns": [turn(2.0), turn(4.0), turn(2.5)],
            "peak_memory_bytes": 2**30,
            "setup_seconds": 20.0,
        },
        # Twice, three times and twice our seconds a token.
        "trainer_at_best": {
            "turns": [turn(4.0), turn(6.0, tokens=500), turn(10.0, tokens=2000)],
            "peak_memory_bytes": 2**31,
            "setup_seconds": 50.0,
        },
    },
}


def test_a_contender_is_compared_turn_by_turn_by_its_seconds_a_token():
    found = figures(CASE)
    assert found["tritune"]["ratio"] is None
    assert found["trainer_at_best"]["ratio"] == (2.0, 2.0, 3.0)
    assert found["tritune"]["tokens_per_second"] == 400.0
    assert found["tritune"]["share"] == (0.4, 0.25, 0.5)


def test_the_table_says_what_ran_and_how_it_went():
    conditions = {"machine": "a card", "versions": {"torch": "2"}}
    lines = markdown({"conditions": conditions, "cases": {"bert_mixed": CASE}}).splitlines()
    assert lines[-2].startswith(
        "| BERT-base, rows of 32 to 512 tokens, 32 a step (1 TFLOP/s) | this project | 400 |"
    )
    assert lines[-1] == (
        "|  | Trainer at its best | 200 | 20.0% (8.3% - 25.0%) | 2.00 (2.00 - 3.00) | 2.0 | 50 |"
    )


@pytest.mark.parametrize("name", CASES)
def test_rows_are_as_long_as_the_case_says(name):
    case = CASES[name]
    rows = random_rows(case, 2, seed=1)
    assert rows.rows == 2 * case.batch_size == len(rows.labels)
    shortest = case.longest if case.shortest is None else case.shortest
    assert shortest <= rows.lengths.min() <= rows.lengths.max() <= case.longest
    assert rows.tokens.max() < MODELS[case.model][1]["vocab_size"]


def test_trainer_s_batches_are_padded_to_a_multiple_of_eight():
    batch = padded_batch([{"input_ids": [5, 6, 7], "labels": 1}, {"input_ids": [8], "labels": 0}])
    assert batch["input_ids"].tolist() == [[5, 6, 7, 0, 0, 0, 0, 0], [8, 0, 0, 0, 0, 0, 0, 0]]
    assert batch["attention_mask"].numpy().sum(1).tolist() == [3, 1]
    assert np.array_equal(batch["labels"], [1, 0])
