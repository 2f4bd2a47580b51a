import signal
from pathlib import Path

from tritune.pipeline.deaths import death, memory_kills


def test_kills_for_want_of_memory_are_counted_by_the_system(tmp_path: Path) -> None:
    counter = tmp_path / "vmstat"
    counter.write_text("nr_free_pages 12\noom_kill 3\n")
    assert memory_kills(counter) == 3
    assert memory_kills(tmp_path / "nowhere") is None


def test_a_kill_is_called_a_lack_of_memory_only_where_the_system_says_so() -> None:
    for code in (-signal.SIGKILL, 137):
        assert death(code, memory_ran_out=True, advice="do less") == (
            "memory ran out, and the system killed its process: do less"
        )
        assert death(code, memory_ran_out=False, advice="do less") == (
            "its process was killed; if nobody did that, memory ran out: do less"
        )
    assert death(-signal.SIGSEGV, memory_ran_out=True, advice="x") == "its process ended by SIGSEGV"
    assert death(3, memory_ran_out=True, advice="x") == "its process ended with exit code 3"
