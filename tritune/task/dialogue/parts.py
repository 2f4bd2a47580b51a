"""A dialogue model's losses and replies as parts of its scores, an example a dialogue."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tritune.metrics.catalogue import NEGATIVE_LOG_LIKELIHOOD
from tritune.metrics.generated import rouge_l
from tritune.metrics.sums import Parts, mean_parts


def parts(
    evaluation: Path,
    metric: str,
    *,
    split: str,
    labels: int,  # noqa: ARG001
    objective: str,  # noqa: ARG001
) -> Parts | None:
    """Return the parts of the loss, of perplexity or of ROUGE-L; None for scores of all replies at once.

    The turns of a dialogue have much in common, so they are drawn together. Arguments as in
    `tritune.task.text_classification.parts`.
    """
    likely = metric in ("perplexity", NEGATIVE_LOG_LIKELIHOOD)
    columns = ["tokens", NEGATIVE_LOG_LIKELIHOOD] if likely else ["generated", "reference"]
    table = pq.read_table(
        evaluation / "predictions.parquet",
        columns=["id", *columns],
        filters=pc.equal(pc.field("split"), split),
    )
    if likely:
        tokens = table.column("tokens").to_numpy().astype(np.float64)
        losses = tokens * table.column(NEGATIVE_LOG_LIKELIHOOD).to_numpy()
        return _by_dialogue(table, losses, tokens, exponential=metric == "perplexity")
    if metric == "rouge_l":
        table = table.filter(pc.is_valid(table.column("generated")))
        written, references = (table.column(name).to_pylist() for name in ("generated", "reference"))
        scores = np.array([rouge_l(one, other) for one, other in zip(written, references, strict=True)])
        return _by_dialogue(table, scores, np.ones(len(scores)), exponential=False)
    return None


def _by_dialogue(table: pa.Table, values: np.ndarray, counts: np.ndarray, *, exponential: bool) -> Parts:
    ids, member = np.unique(np.array(table.column("id").to_pylist(), dtype=object), return_inverse=True)
    summed = (np.bincount(member, weights=each, minlength=len(ids)) for each in (values, counts))
    # Finite whatever the loss, as the score itself.
    return mean_parts(
        ids.tolist(), *summed, outer=(lambda mean: np.exp(np.minimum(mean, 700.0))) if exponential else None
    )
