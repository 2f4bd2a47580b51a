"""The most memory that a process had of its own, above what it had when the watch began."""

import threading

import psutil

SECONDS_BETWEEN_LOOKS = 0.01


class AnonymousMemory:
    """A thread that looks how much there is; pages of files, such as mapped weights, don't count."""

    def __init__(self) -> None:
        """Begin to watch this process; what it has now is the level that counts from."""
        self._level = self._peak = _anonymous_bytes()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def peak(self) -> int:
        """End the watch and return the peak above the level, in bytes."""
        self._ended.set()
        self._thread.join()
        return max(self._peak, _anonymous_bytes()) - self._level

    def _watch(self) -> None:
        while not self._ended.wait(SECONDS_BETWEEN_LOOKS):
            self._peak = max(self._peak, _anonymous_bytes())


def _anonymous_bytes() -> int:
    """Return the anonymous pages in memory; all pages where the system does not tell them apart."""
    memory = psutil.Process().memory_info()
    return int(memory.rss - getattr(memory, "shared", 0))
