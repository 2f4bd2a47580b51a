"""The whole of params.yaml as one checked value, or one message that names every problem."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from tritune.errors import InputError
from tritune.settings.data import DataSettings
from tritune.settings.decide import CompareSettings, RegisterSettings
from tritune.settings.method import MethodSettings
from tritune.settings.model import ModelSettings, TokenizeSettings
from tritune.settings.problems import did_you_mean, problem_lines
from tritune.settings.section import Section
from tritune.settings.train import ComputeSettings, TrainSettings

METHOD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def _unique(values: list[Any]) -> list[Any]:
    repeated = sorted({str(value) for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"must name each once ({', '.join(repeated)} is repeated)")
    return values


def _method_names(methods: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in methods:
        if not METHOD_NAME.fullmatch(name):
            raise ValueError(
                f"has the name {name!r}; a method's name is letters, digits and _, a letter first: "
                "it becomes part of stage and folder names"
            )
    return methods


class Project(Section):
    """params.yaml."""

    task: Literal["text_classification"]
    data: DataSettings
    model: ModelSettings
    tokenize: TokenizeSettings = TokenizeSettings()
    methods: Annotated[list[str], Field(min_length=1), AfterValidator(_unique)]
    """Which methods are trained and compared: keys of `method`."""

    seeds: Annotated[
        list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1), AfterValidator(_unique)
    ]
    """One training per method and seed."""

    method: Annotated[dict[str, MethodSettings], AfterValidator(_method_names)]
    train: TrainSettings = TrainSettings()
    compute: ComputeSettings = ComputeSettings()
    compare: CompareSettings = CompareSettings()
    register_: RegisterSettings = Field(default=RegisterSettings(), alias="register")

    @model_validator(mode="after")
    def _consistent(self) -> "Project":
        for name in self.methods:
            if name not in self.method:
                raise ValueError(
                    f"methods: {name} is not defined under `method`{did_you_mean(name, self.method)}; "
                    f"defined are {', '.join(self.method) or 'none'}"
                )
        if self.data.validation_fraction + self.data.test_fraction >= 1:
            raise ValueError(
                "data: validation_fraction and test_fraction must leave rows to train on: their sum must be "
                f"below 1 (got {self.data.validation_fraction} + {self.data.test_fraction})"
            )
        return self


def read_project(path: Path) -> Project:
    """Return the checked content of a params.yaml, read as DVC reads it (YAML 1.2).

    Raises:
        InputError: The file is missing, is not YAML, or has problems; all of them in one message.
    """
    return check_project(read_yaml(path), name=path.name)


def read_yaml(path: Path) -> Mapping[str, Any]:
    """Return the mapping that a YAML 1.2 file holds.

    Raises:
        InputError: No such file, not UTF-8, not YAML, a key twice, or not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(
            f"{path.name}: no such file in {path.parent.resolve()}; run the command in the project's folder"
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    try:
        content = YAML(typ="safe").load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise InputError(
            f"{path.name}, line {line}: not valid YAML: {error.problem}; mend that line"
        ) from None
    if not isinstance(content, Mapping):
        raise InputError(f"{path.name}: must be a mapping of sections such as `data:` and `model:`")
    return content


def check_project(content: Mapping[str, Any], *, name: str = "params.yaml") -> Project:
    """Return the settings in `content`.

    Raises:
        InputError: Something is out of range, of the wrong type, missing or unknown.
    """
    try:
        return Project.model_validate(content)
    except ValidationError as error:
        problems = problem_lines(error.errors(), content, Project.model_json_schema())
    lines = [f"  {line}" for line in problems]
    count = f"{len(lines)} problem{'s' if len(lines) > 1 else ''}"
    raise InputError("\n".join([f"{name} has {count}:", *lines]))
