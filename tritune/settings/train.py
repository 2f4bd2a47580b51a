"""How a training goes, whatever the method."""

from typing import Annotated, Literal

from pydantic import Field

from tritune.settings.section import Section

MetricName = Literal[
    "auto",
    "accuracy",
    "macro_f1",
    "weighted_f1",
    "micro_f1",
    "matthews_correlation",
    "exact_match",
    "answer_f1",
    "entity_f1",
    "entity_precision",
    "entity_recall",
    "rouge_l",
    "chrf",
    "bleu",
    "distinct_1",
    "distinct_2",
    "perplexity",
    "negative_log_likelihood",
    "expected_calibration_error",
]
"""Which of them a task has is told by `tritune.metrics.catalogue`; auto: the task's own main one."""


class TrainSettings(Section):
    """The section `train`."""

    epochs: Annotated[int, Field(ge=1, le=1000)] = 3
    batch_size: Annotated[int, Field(ge=1, le=100_000)] = 32
    """Examples per optimizer step."""

    schedule: Literal["linear", "cosine"] = "linear"
    """How the learning rate falls to 0 after the warm-up."""

    warmup_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of all steps in which the rate rises from 0."""

    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """Not applied to norms and biases."""

    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """Gradients are scaled down to this L2 norm."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    monitor: MetricName = "auto"
    """Validation metric that picks the best epoch and stops the training early."""

    patience: Annotated[int, Field(ge=1)] = 2
    """Epochs without a better score before the training stops; counted once all that is to learn does."""


class ComputeSettings(Section):
    """The section `compute`: what a result depends on besides data and method."""

    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    """CPU threads of one training, or of each of its processes."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the matrix products; weights and optimizer state are fp32. auto: bf16 where the hardware has it."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: a GPU where there is one."""

    processes: Annotated[int, Field(ge=1, le=1024)] = 1
    """That share the rows of each step of a training, with as many threads each, or with a GPU each. Sums are
    rounded otherwise, so they belong to the result."""

    shard: bool = False
    """Whether each of the processes keeps a part only of weights, gradients and optimizer state."""

    recompute_activations: bool = False
    """Whether layers keep no activations but compute them again: less memory, about a third more time, and
    the same result bit for bit."""

    compile: Literal["auto"] | bool = "auto"
    """Whether torch compiles the layers. auto: on a GPU, where the training is so long that it pays. Sums are
    rounded otherwise, so it belongs to the result."""

    prefix_memo_gib: Annotated[float, Field(ge=0, le=100_000)] = 16.0
    """Disk space, in GiB, for what frozen lowest layers give, so that they run once; 0: never."""
