"""Why a stage failed, from what is left of it."""

from pathlib import Path

from tritune.pipeline.dag import Stage
from tritune.pipeline.disk import no_space
from tritune.pipeline.last_words import LastWords, last_words
from tritune.pipeline.receipt import Receipt

STAGE = Stage("evaluate@full-13", ())
ROOT = Path("/a project")


def words(*lines: str, account: Receipt | None = None) -> LastWords:
    return last_words(STAGE, list(lines), account, root=ROOT, memory_ran_out=False)


def test_its_own_account_comes_first():
    account = Receipt(STAGE.name, exit_code=2, error="train.lr: too high")
    assert words("ERROR: else", account=account) == LastWords("train.lr: too high", users_error=True)
    account = Receipt(STAGE.name, exit_code=75, error="it is being run")
    assert words(account=account) == LastWords("it is being run", busy=True)


def test_a_sentence_that_found_no_room_in_a_receipt_is_taken_from_what_was_printed():
    ended = "ERROR: failed to reproduce 'a': failed to run: python -m tasks a, exited with 2"
    said = words("error: no space left", ended, account=Receipt(STAGE.name, "key"))
    assert said == LastWords("no space left", users_error=True)


def test_dvc_that_failed_after_a_body_that_ended_well_has_the_word():
    done = Receipt(STAGE.name, "key", exit_code=0)
    assert words("ERROR: failed to reproduce 'a': no idea", account=done) == LastWords("no idea")
    full = words("ERROR: unexpected error - [Errno 28] No space left on device", account=done)
    assert full == LastWords(no_space(ROOT), users_error=True)
    assert words("ERROR: 'x' is busy, it is being blocked by:").busy
