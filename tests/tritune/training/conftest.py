"""Tiny random models, token tables that can be learnt, and plans by hand."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import nn

from tritune.objectives.named import objective_named
from tritune.plan.tuning_plan import Group, Phase, TuningPlan
from tritune.settings.train import TrainSettings
from tritune.tokens import TokenTable
from tritune.training.loop import train
from tritune.training.optimizer import plan_optimizer
from tritune.training.processes import ALONE
from tritune.training.recorded import RecordedPasses
from tritune.training.reduced import ReducedTraining, reduce_training
from tritune.training.some_rows import rows_of
from tritune.training.state import TrainingState
from tritune.training.train_slice import TrainSlice

CLASSES = 3
VOCABULARY = 40


@pytest.fixture
def kit() -> ModuleType:
    """What stands in this file; test files cannot import each other."""
    return sys.modules[__name__]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny_bert(*, dropout: float = 0.1, seed: int = 0) -> nn.Module:
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(seed)
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=32,
            num_labels=CLASSES,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
        )
    )


def tiny_distilbert(*, dropout: float = 0.1, seed: int = 0) -> nn.Module:
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    torch.manual_seed(seed)
    return DistilBertForSequenceClassification(
        DistilBertConfig(
            vocab_size=VOCABULARY,
            dim=32,
            n_layers=2,
            n_heads=2,
            hidden_dim=64,
            max_position_embeddings=32,
            num_labels=CLASSES,
            dropout=dropout,
            attention_dropout=dropout,
            seq_classif_dropout=dropout,
        )
    )


MODELS: dict[str, Callable[..., nn.Module]] = {"bert": tiny_bert, "distilbert": tiny_distilbert}


def token_table(rows: int, *, seed: int = 0) -> TokenTable:
    """Rows of 3 to 12 tokens; the class shows in which third of the vocabulary most of them lie."""
    draw = np.random.RandomState(seed)
    labels = draw.randint(0, CLASSES, rows).astype(np.int32)
    lengths = draw.randint(3, 13, rows)
    tokens = [draw.randint(1 + 12 * k, 13 + 12 * k, n) for k, n in zip(labels, lengths, strict=True)]
    return TokenTable(
        row_ids=pa.array([f"row {i}" for i in range(rows)]),
        tokens=np.concatenate(tokens).astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        labels=labels,
    )


def plan_for(
    model: nn.Module,
    *,
    frozen: Callable[[str], bool] = lambda _: False,
    lr: float = 1e-3,
    phases: tuple[Phase, ...] = (),
) -> TuningPlan:
    """A plan with up to four groups: body and head, each with what decays and what does not."""
    groups = []
    for part in ("frozen", "body", "head"):
        for decays in (True, False):
            tensors = [
                name
                for name, parameter in model.named_parameters()
                if (parameter.ndim > 1) == decays and part_of(name, frozen) == part
            ]
            if tensors:
                rate = {"frozen": None, "body": lr, "head": 2 * lr}[part]
                groups.append(Group(part, tuple(tensors), 1, rate, decays, None, 0.0))
    names = tuple(sorted({group.name for group in groups if group.lr is not None}))
    return TuningPlan(
        architecture=type(model).__name__,
        kind="full",
        groups=tuple(groups),
        phases=phases or (Phase(0.0, names),),
        new_tensors=(),
        layers=2,
        tensors_total=1,
        parameters_total=1,
        parameters_trainable=1,
        trained_compute_per_token=1.0,
        notes=(),
    )


def part_of(name: str, frozen: Callable[[str], bool]) -> str:
    if frozen(name):
        return "frozen"
    return "head" if name.startswith(("classifier", "pre_classifier")) else "body"


class Run:
    """One training of a tiny model, which can be driven step by step."""

    def __init__(self, model: nn.Module, plan: TuningPlan, *, rows: int = 50, **changes: object) -> None:
        from tritune.metrics.classification import classification_metrics, softmax

        options = {"epochs": 2, "batch_size": 8, "patience": 5, **changes}
        self.seed = int(options.pop("seed", 1))  # type: ignore[call-overload]
        self.precision = str(options.pop("precision", "fp32"))
        self.score = options.pop("score", None) or (
            lambda outputs: classification_metrics(self.validation.labels, softmax(outputs.values))
        )
        self.monitor = str(options.pop("monitor", "macro_f1"))
        self.processes = options.pop("processes", ALONE)
        self.recorded: RecordedPasses | None = None
        watches = bool(options.pop("watches", False))
        self.settings = TrainSettings(**options)  # type: ignore[arg-type]
        self.plan = plan
        self.training = token_table(rows, seed=1)
        self.validation = token_table(20, seed=2)
        watched = np.arange(0, rows, 2)
        own = rows_of(self.training, watched)
        scored = lambda outputs: classification_metrics(own.labels, softmax(outputs.values))  # noqa: E731
        self.train_slice = TrainSlice(watched, own, scored) if watches else None
        self.state = TrainingState(
            model, plan_optimizer(model, plan, weight_decay=self.settings.weight_decay)
        )

    def moments(self):
        return train(
            self.state,
            self.plan,
            self.training,
            self.validation,
            objective=objective_named("single_label"),
            settings=self.settings,
            monitor=self.monitor,
            precision=self.precision,
            device=next(self.state.model.parameters()).device,
            pad_token_id=0,
            seed=self.seed,
            score=self.score,
            train_slice=self.train_slice,
            recorded=self.recorded,
            processes=self.processes,
        )

    def finish(self) -> "Run":
        for _ in self.moments():
            pass
        return self

    def weights(self) -> dict[str, bytes]:
        return {
            name: value.detach().cpu().numpy().tobytes()
            for name, value in self.state.model.state_dict().items()
        }


def reduced_run(
    model: nn.Module,
    plan: TuningPlan,
    memos: Path,
    *,
    memo_gib: float = 0.0,
    recompute: bool = False,
    compiles: bool = False,
    **changes: object,
) -> tuple[ReducedTraining, Run]:
    """A whole training with all that is left out of one, as the stage drives it; it is over."""
    given = Run(model, plan, **changes)  # type: ignore[arg-type]
    reduced = reduce_training(
        model,
        plan,
        given.training,
        given.validation,
        objective=objective_named("single_label"),
        precision=given.precision,
        memo_gib=memo_gib,
        recompute=recompute,
        compiles=compiles,
        pad_token_id=0,
        memos=memos,
    )
    run = Run(model, plan, **changes)  # type: ignore[arg-type] # its optimizer holds what the model now has
    run.training, run.validation, run.recorded = reduced.training, reduced.validation, reduced.recorded
    run.finish()
    reduced.undo(run.state, plan, settings=run.settings)
    return reduced, run
