"""What DVC prints, told apart: its words around a stage, and its own errors."""

import re

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
