"""The whole of params.yaml as one checked value, or one message that names every problem."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from tritune.errors import InputError
from tritune.metrics.catalogue import metrics_of
from tritune.settings.data import DataSettings
from tritune.settings.decide import CompareSettings
from tritune.settings.method import MethodSettings
from tritune.settings.model import GenerateSettings, ModelSettings, TokenizeSettings
from tritune.settings.problems import did_you_mean, problem_lines
from tritune.settings.register import RegisterSettings
from tritune.settings.section import Section
from tritune.settings.train import ComputeSettings, TrainSettings

CONFLICT = re.compile(r"^(<{7}|={7}|>{7})( |\r?$)", re.MULTILINE)
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

    task: Literal["text_classification", "named_entity_recognition", "question_answering", "dialogue"]
    data: DataSettings
    model: ModelSettings
    tokenize: TokenizeSettings = TokenizeSettings()
    generate: GenerateSettings = GenerateSettings()
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
        for key, metric in (("train.monitor", self.train.monitor), ("compare.metric", self.compare.metric)):
            known = metrics_of(self.task, objective="multi_label" if self.data.multi_label else "")
            if metric != "auto" and metric not in known:
                raise ValueError(
                    f"{key}: task: {self.task} has no {metric}; set it to auto or one of {', '.join(known)}"
                )
        if self.data.validation_fraction + self.data.test_fraction >= 1:
            raise ValueError(
                "data: validation_fraction and test_fraction must leave rows to train on: their sum must be "
                f"below 1 (got {self.data.validation_fraction} + {self.data.test_fraction})"
            )
        if self.compute.processes > self.train.batch_size:
            raise ValueError(
                f"compute.processes: each needs a row of every step, and train.batch_size is "
                f"{self.train.batch_size}; set it to {self.train.batch_size} or less "
                f"(got {self.compute.processes})"
            )
        if self.compute.shard and self.compute.processes == 1:
            raise ValueError(
                "compute.shard: one process has nobody to share its weights with; set compute.processes to "
                "2 or more, or shard to false"
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
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(
            f"{path.name}: no such file in {path.parent.resolve()}; run the command in the project's folder"
        ) from None
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path.name}, line {line}: not UTF-8; save the file as UTF-8") from None
    if marker := CONFLICT.search(text):
        line = text.count("\n", 0, marker.start()) + 1
        raise InputError(
            f"{path.name}, line {line}: an unresolved merge conflict; keep one side and delete the markers"
        )
    try:
        loaded = YAML(typ="safe").load(text)
    except YAMLError as error:
        raise InputError(f"{path.name}{_what_is_wrong(error, text)}") from None
    if not isinstance(loaded, Mapping):
        raise InputError(f"{path.name}: must be a mapping of sections such as `data:` and `model:`")
    return loaded


def _what_is_wrong(error: YAMLError, text: str) -> str:
    """Return where YAML cannot be read, why, and what to do."""
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return f": not valid YAML: {str(error).splitlines()[0]}; remove that"
    line = error.problem_mark.line + 1
    if isinstance(error, DuplicateKeyError):
        why = error.problem.partition(" with value")[0]
        return f", line {line}: not valid YAML: {why}; keep one of the two"
    begin = error.context_mark.line + 1 if error.context and error.context_mark else line
    lines = text.splitlines()
    why = error.problem or error.context
    if line <= len(lines) and lines[line - 1][: error.problem_mark.column + 1].strip(" ").startswith("\t"):
        return f", line {line}: not valid YAML: a tab at its start; indent with spaces"
    if begin < line:
        why += f" ({error.context} that begins in line {begin})"
    return (
        f", line {line}: not valid YAML: {why}; mend that line{' or one before it' if begin < line else ''}"
    )


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
