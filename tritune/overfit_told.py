"""What the overfit watch found, in one plain sentence: the numbers, what they mean, and the next move."""

from tritune.metrics.catalogue import advantage, metric_title
from tritune.overfit_watch import Watch


def told(name: str, watch: Watch, *, monitor: str) -> str:
    """Return the sentence.

    Args:
        name: of the training.
        watch: what its history shows.
        monitor: the metric that picked the best epoch.
    """
    if watch.verdict == "underfitting":
        return (
            f"{name} was still learning when it ended: epoch {watch.epochs} brought the validation "
            f"{metric_title(monitor)} from {watch.before['metric']:.3f} to {watch.last['metric']:.3f}. "
            f"More than {watch.epochs} epochs may help."
        )
    if watch.verdict == "overfitting":
        return (
            f"{name} overfits: {_rise(watch)}, and the validation {metric_title(monitor)} "
            f"{_metric_went(watch, monitor)}. {_kept(watch)}. Remedies: "
            f"`tritune remedy {name.partition(' ')[0]}`."
        )
    if watch.verdict == "overconfident":
        return (
            f"{name} becomes too sure of itself: {_rise(watch)}; but the validation "
            f"{metric_title(monitor)} {_metric_went(watch, monitor)}, so the answers do not suffer, only how "
            f"far their probabilities can be trusted. {_kept(watch)}."
        )
    before, last = watch.before, watch.last
    if watch.verdict == "unstable":
        return (
            f"{name} lost its way: from epoch {before['epoch']} to {watch.epochs} its validation loss rises "
            f"from {before['validation_loss']:.3f} to {last['validation_loss']:.3f}, and that of training "
            f"rows from {before['train_loss']:.3f} to {last['train_loss']:.3f}. The weights kept are those "
            f"of epoch {watch.kept}; a lower rate may do better."
        )
    if before["epoch"] == watch.epochs:
        return f"{name} is healthy: its validation loss is lowest in the last epoch."
    lowest = f"lowest in epoch {before['epoch']} ({before['validation_loss']:.3f})"
    why = "within 5 % or chance"
    if last["train_loss"] >= before["train_loss"]:
        why = "and that of training rows fell no more either"
    at_the_end = f"{last['validation_loss']:.3f} at the end"
    return f"{name} is healthy: its validation loss is {lowest} and {at_the_end}, {why}."


def _rise(watch: Watch) -> str:
    before, last = watch.before, watch.last
    share = last["validation_loss"] / max(before["validation_loss"], 1e-12) - 1
    chance = "" if watch.p_value is None else f", p {_p(watch.p_value)}"
    return (
        f"from epoch {watch.onset} to {watch.epochs} its validation loss rises from "
        f"{before['validation_loss']:.3f} to {last['validation_loss']:.3f} (by {100 * share:.0f} %{chance}) "
        f"while that of training rows falls from {before['train_loss']:.3f} to {last['train_loss']:.3f}"
    )


def _metric_went(watch: Watch, monitor: str) -> str:
    before, last = watch.before["metric"], watch.last["metric"]
    if watch.verdict == "overconfident":
        return f"gains, from {before:.3f} to {last:.3f}"
    if advantage(monitor, last, before) < 0:
        return f"falls back from {before:.3f} to {last:.3f}"
    return f"gains too little to count ({before:.3f} to {last:.3f})"


def _kept(watch: Watch) -> str:
    assert watch.onset is not None
    stands = "before that" if watch.kept <= watch.onset else "after that began"
    return f"The weights kept are those of epoch {watch.kept}, {stands}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"
