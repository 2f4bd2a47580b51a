"""What DVC prints, told apart: its words around a stage, its own errors, and how a stage's process died."""

import contextlib
import re
import signal

_NOISE = re.compile(
    r"Running stage '|> python -m |Updating lock file|Generating lock file|To track the changes|\tgit add "
    r"|To enable auto staging|Use `dvc push`|ERROR: failed to reproduce|Stage '.*' (didn't change|is cached)"
    r"|Data and pipelines are up to date|\tdvc config core.autostage|To hash all"
)


def is_noise(line: str) -> bool:
    """Tell whether a line says only what DVC does, which the flow tells in its own words."""
    return _NOISE.match(line) is not None


def error_in(lines: list[str]) -> str:
    """Return what DVC itself complains about, from its first error on."""
    for number, line in enumerate(lines):
        if line.startswith("ERROR: "):
            first = re.sub(r"^ERROR: (failed to reproduce '[^']*': )?", "", line)
            return "\n".join([first, *lines[number + 1 :]])
    return "\n".join(lines)


def death(code: int) -> str:
    """Return how a process ended without a word, by its exit code as DVC prints it."""
    number = -code if code < 0 else code - 128
    if number == signal.SIGKILL:
        return "its process was killed; if nobody did that, memory ran out: lower train.batch_size"
    if 0 < number < 65:
        with contextlib.suppress(ValueError):
            return f"its process ended by {signal.Signals(number).name}"
    return f"its process ended with exit code {code}"
