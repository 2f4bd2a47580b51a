"""What the files of a task have in common, so that stages need not know which task they serve.

A task is a folder `tritune/task/NAME`. Each of its files serves one stage or command and is loaded by name:

- `rows.py` (stage ingest): `ingest(files, settings, spool) -> Ingested`, where `spool` is an empty folder for
  what is not to be kept in memory
- `encode.py` (stage tokenize): `encoder(tokenizer, settings, labels, objective, given) -> Encoder`, where
  `given` names the columns of the ingested table
- `score.py` (stages train and evaluate): `scorer(split, info) -> Scorer`,
  `guess(training, validation, info, label_smoothing) -> Guess | None`, `evaluate(run, splits) -> Evaluation`
- `show.py` (stage compare): `floor(profile, labels) -> Floor | None`, `cautions(name, shipped) -> list[str]`,
  `data_columns(part) -> Mapping[str, int]` of one split of the profile, and `block(shipped)`, the variables
  of `show.html.j2` beside it, which is the task's part of the report
- `baseline.py` (stage baseline): `baseline(ingested) -> Baseline | None`, which takes seconds and no
  pretrained model
- `parts.py` (stage compare): `parts(evaluation, metric, split, labels, objective) -> Parts | None`, the
  answers behind a score as numbers to be summed, an example a row, so that examples can be resampled
- `sheet.py` (the gate): `sheet(table, labels) -> Sheet` of the test rows of predictions.parquet
- `card.py` (stage select): `card_text(comparison) -> CardText`
- `answer.py` (`tritune predict`): `Answerer`
- `explain.py` (`tritune explain`): `Explainer`, see `tritune.explanation.asked`

dvc.yaml names these files with `${task}`, so that editing one task's leaves the others' results alone.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import pyarrow as pa

from tritune.outputs import Outputs
from tritune.settings.model import GenerateSettings
from tritune.tokens import TokensInfo

TASKS = ("text_classification", "named_entity_recognition", "question_answering", "dialogue")

DECIDED = "decided.json"
"""File with what `Evaluation.decided` holds."""


def task_module(task: str, file: str) -> ModuleType:
    """Return `tritune/task/TASK/FILE.py`."""
    return import_module(f"tritune.task.{task}.{file}")


@dataclass(frozen=True)
class Ingested:
    """Checked rows, ready to be written."""

    tables: Mapping[str, pa.Table | pa.RecordBatchReader]
    """Of train, validation and test; the first column is `id`, text, unique over all splits. A reader, to be
    read once, where not all rows are to be in memory at once."""

    labels: Sequence[str]
    """Names of the classes or tags, in the order of their ids; empty where the task has none."""

    profile: Mapping[str, Any]
    """Content of profile.json, see `tritune.data.profile`."""


class Encoder(Protocol):
    """Turns rows of `data/ingested` into rows of a token table, a batch at a time.

    It may have `files`, a mapping of name -> text of what belongs beside the fine-tuned model, such as a chat
    template.
    """

    columns: Sequence[str]
    """Which columns of the ingested table it reads."""

    inputs: Sequence[str]
    """Which of them a new example has to have to be answered: `("text",)`, `("question", "context")`."""

    answering: Mapping[str, Any]
    """What else is needed to treat a new example as these; it is kept with the model. Fit for JSON."""

    schema: pa.Schema
    """Of what it gives; see `tritune.tokens.token_schema`."""

    def encode(self, rows: Mapping[str, Sequence[Any]], counts: dict[str, int]) -> pa.RecordBatch:
        """Return the token rows of some examples, in their order.

        Args:
            rows: Column -> values.
            counts: What happened is added here by name, for example `truncated`.

        Raises:
            InputError: An example can't be encoded; it is named by its id.
        """


@dataclass(frozen=True)
class Guess:
    """What can be had without reading the inputs: a training that does no better has learnt nothing."""

    loss: float
    """Mean loss in nats of the best answer that is the same for all inputs."""

    loss_words: str
    """How that answer is found: `guessing by how frequent each class is`."""

    metric: str
    """A score that is known after each epoch, higher is better."""

    score: float
    """What the best constant answer reaches on the validation split."""

    score_words: str
    """`always answering the most frequent class`."""


Scorer = Callable[[Outputs], Mapping[str, float]]
"""From a model's outputs on a split to the scores that are known after each epoch, but the loss."""


@dataclass(frozen=True)
class Split:
    """One split as the scoring files of a task see it."""

    name: str
    tokens: Path
    """Its token table, `data/tokens/validation.arrow`."""

    gold: Path
    """Its rows as ingested, `data/ingested/validation.parquet`: every score's denominator."""


class EvaluationRun(Protocol):
    """A loaded checkpoint, ready to be asked."""

    info: TokensInfo
    model: Any
    """Of transformers, on `device`, in evaluation mode."""

    device: Any
    """A `torch.device`."""

    folder: Path
    """The checkpoint's folder, tokenizer and all."""

    generate: GenerateSettings

    def outputs(self, split: Split) -> Outputs:
        """Return what the model gives for every row of the split's token table; computed once."""

    def mean_loss(self, split: Split) -> float:
        """Return its mean loss on them, in nats per term."""

    def untouched_loss(self, split: Split) -> float:
        """Return the mean loss of the base model on them, before any training. It is loaded for that."""


@dataclass(frozen=True)
class Evaluation:
    """What the stage `evaluate` writes."""

    scores: Mapping[str, Mapping[str, float]]
    """Split -> every metric of the task."""

    predictions: pa.Table
    """One row per example, validation first, with columns `split` and `id`."""

    tables: Mapping[str, tuple[Sequence[str], Iterable[Sequence[Any]]]] = field(default_factory=dict)
    """File name -> columns and rows of a csv."""

    floor: "Floor | None" = None
    """Where it has to be measured on the model; `show.floor` gives it where the data alone tell it."""

    decided: Mapping[str, Any] = field(default_factory=dict)
    """What was set on the validation split and an `Answerer` has to know, such as a threshold; written as
    `decided.json`, beside the predictions and into the folder of the model to ship."""


@dataclass(frozen=True)
class Shipped:
    """The model that ships, as the showing files of a task see it, after its evaluation."""

    evaluation: Path
    """What the stage `evaluate` wrote for it: predictions.parquet and the task's tables."""

    ingested: Path
    """`data/ingested`."""

    labels: Sequence[str]
    objective: str
    profile: Mapping[str, Any]
    """Content of profile.json."""

    scores: Mapping[str, Mapping[str, float]]
    """Split -> its scores."""

    floor: "Floor | None"


@dataclass(frozen=True)
class Floor:
    """What a model scores that has learnt nothing: the least that any method has to beat."""

    name: str
    """For a table: `always billing`."""

    scores: Mapping[str, Mapping[str, float]]
    """Split -> scores; metrics that it has no sensible value of are left out."""


@dataclass(frozen=True)
class Baseline:
    """What was learnt in seconds, without a pretrained model."""

    floor: Floor
    predictions: pa.Table
    """Rows of validation and test in the form that the stage `evaluate` writes them in, as far as `parts.py`
    reads it."""


@dataclass(frozen=True)
class CardText:
    """The task's own words in a model card, as Markdown."""

    tag: str
    """The hub's name of the task: `text-classification`."""

    title: str
    does: str
    """Ends the sentence "A fine-tuned transformer that": `gives a text one of 3 labels.`"""

    limits: str
    """What it should not be trusted with, in whole sentences."""

    command: str
    """A shell command that asks the model in the folder FOLDER."""

    example: Sequence[str]
    """Lines of Python that do the same with transformers alone."""

    closing: Sequence[str] = ()
    """Lines at the end, such as a list of labels."""


class Answerer(Protocol):
    """A loaded model that answers new inputs in the task's own terms: `Answerer(folder, device=...)`."""

    def answer(
        self, inputs: Sequence[Mapping[str, Any]], *, batch_size: int, ids: Sequence[str], everything: bool
    ) -> list[Mapping[str, Any]]:
        """Return one answer per input: plain values by name, the same names for all inputs.

        Args:
            inputs: What the model's inputs hold, by their names (`text`, `question`, ...).
            ids: What an error calls each input.
            everything: Whether to give all there is, such as every label's probability.

        Raises:
            InputError: An input can't be answered.
        """
