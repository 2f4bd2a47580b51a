"""What a person asked `tritune advise` for, checked: a budget, sizes and seeds."""

import re
from dataclasses import dataclass, replace

from tritune.advise.samples import ALL
from tritune.errors import InputError
from tritune.pipeline.cells import Cell
from tritune.settings.project import Project

FEWEST_EXAMPLES = 10
MOST_SEEDS = 50
FEWEST_SECONDS = 90
"""A minute is kept for the report, and a cell's process alone takes seconds to start."""

_TIME = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


@dataclass(frozen=True)
class Asked:
    """Which cells there are to be."""

    sizes: tuple[str, ...]
    """Ascending; `all` is the last."""

    seed_numbers: tuple[int, ...]

    @property
    def seeds(self) -> int:
        return len(self.seed_numbers)

    def cells(self, size: str) -> list[Cell]:
        """Return the cells of a size, in the order in which they are computed."""
        return [Cell(size, seed) for seed in self.seed_numbers]

    def all_cells(self) -> list[Cell]:
        """Return the cells of all sizes."""
        return [cell for size in self.sizes for cell in self.cells(size)]

    def examples(self, size: str, whole: int) -> int:
        """Return how many examples a size has, out of `whole`."""
        return whole if size == ALL else int(size)

    def checked(self, whole: int) -> "Asked":
        """Return the same, where the training split has so many examples; its own number is `all`.

        Args:
            whole: Examples of the training split.

        Raises:
            InputError: A size is larger.
        """
        for size in self.sizes:
            if size != ALL and int(size) > whole:
                raise InputError(
                    f"--sizes: {int(size):,} is more than the {whole:,} training examples there are; leave "
                    "it out, or say `all`"
                )
        sizes = dict.fromkeys(ALL if size == str(whole) else size for size in self.sizes)
        return replace(self, sizes=tuple(sizes))


def asked_for(sizes: str, seeds: int, *, project: Project) -> Asked:
    """Return what was asked for. The seeds are those of params.yaml, and further ones after the highest.

    Args:
        sizes: `300,1000,all`.
        seeds: How many.

    Raises:
        InputError: A size is no number and not `all`, is too small or named twice, or seeds are out of range.
    """
    found = [word.strip() for word in sizes.split(",")]
    for word in found:
        if word != ALL and not (word.isdecimal() and int(word) >= FEWEST_EXAMPLES):
            raise InputError(
                f"--sizes: {word or 'nothing between two commas'} is not a size; write whole numbers of "
                f"{FEWEST_EXAMPLES} or more, or `all`, with commas between, for example 300,1000,all"
            )
    numbers = [word if word == ALL else str(int(word)) for word in found]
    repeated = [word for word in dict.fromkeys(numbers) if numbers.count(word) > 1]
    if repeated:
        raise InputError(f"--sizes: {repeated[0]} is named twice; name each size once")
    if not 1 <= seeds <= MOST_SEEDS:
        raise InputError(
            f"--seeds: must be from 1 to {MOST_SEEDS} (got {seeds}); 3 or more can show something"
        )
    own = project.seeds[:seeds]
    after = max(project.seeds) + 1
    return Asked(
        tuple(sorted(numbers, key=lambda word: (word == ALL, 0 if word == ALL else int(word)))),
        (*own, *range(after, after + seeds - len(own))),
    )


def seconds_of(budget: str) -> int:
    """Return the seconds of `90s`, `45m`, `2h` or `1h30m`.

    Raises:
        InputError: It is not written so, or is too short for anything.
    """
    match = _TIME.fullmatch(budget.strip())
    hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    total = 3600 * hours + 60 * minutes + seconds
    if total == 0:
        raise InputError(f"--budget: {budget!r} is not a time; write for example 45m, 2h or 1h30m")
    if total < FEWEST_SECONDS:
        raise InputError(
            f"--budget: {budget.strip()} is too short, for a minute of it is kept for the report; give "
            f"{FEWEST_SECONDS}s or more"
        )
    return total
