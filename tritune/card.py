"""The model card: what a model does, how well, on what it was trained, and how to use it.

Source of the form: Mitchell et al. 2019, "Model Cards for Model Reporting", https://arxiv.org/abs/1810.03993,
with the front matter that model hubs read.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tritune.markdown import plain
from tritune.metrics.catalogue import METRICS, metric_title
from tritune.task.contract import CardText

WORDS = {
    "full": "full fine-tuning",
    "partial": "partial fine-tuning",
    "adaptive": "adaptive fine-tuning",
    "probe_then_full": "the head first, then full fine-tuning",
    "gradual": "gradual unfreezing, from the top down",
    "norms_and_biases": "norms, biases and what is new alone",
    "lora": "low-rank adapters, merged into the weights",
}
"""What each kind of method is called."""


def model_card(comparison: Mapping[str, Any], words: CardText, *, architecture: str) -> str:
    """Return the card as Markdown with YAML front matter; the same text for the same comparison.

    Args:
        comparison: Content of comparison.json.
        words: What the task says of its models.
        architecture: `model_type` of the model's config.
    """
    chosen = comparison["chosen"]
    method = next(one for one in comparison["methods"] if one["method"] == chosen["method"])
    shipped = next(one for one in method["seeds"] if one["seed"] == chosen["seed"])
    labels: Sequence[str] = comparison["labels"]
    rows, data = comparison["rows"], comparison["data"]
    metrics: Sequence[str] = comparison["metrics"]
    lower = [metric_title(name) for name in metrics if not METRICS[name].higher_is_better]
    floor = comparison["floor"]
    cut = data["counts"]["train"]
    rates = comparison["rates"][chosen["method"]]
    share = 100 * method["parameters_trainable"] / method["parameters_total"]
    warnings = [f"- {plain(warning)}" for warning in comparison["warnings"]]
    lines = [
        "---",
        "library_name: transformers",
        f"pipeline_tag: {words.tag}",
        f"tags: [{json.dumps(words.tag)}, {json.dumps(architecture)}, tritune]",
        f"metrics: [{', '.join(metrics)}]",
        "tritune:",
        f"  task: {json.dumps(comparison['task'])}",
        f"  method: {json.dumps(chosen['method'])}",
        f"  kind: {json.dumps(method['kind'])}",
        f"  seed: {chosen['seed']}",
        f"  labels: {json.dumps(list(labels), ensure_ascii=False)}",
        *(
            f"  {split}: {json.dumps({metric: shipped[split][metric] for metric in metrics})}"
            for split in ("validation", "test")
        ),
        "---",
        "",
        f"# {words.title}",
        "",
        f"A fine-tuned transformer of the type `{architecture}` that {words.does}",
        "",
        "## How well",
        "",
        "| metric | validation | test |" + (f" {plain(floor['name'])} (test) |" if floor else ""),
        "|---|---:|---:|" + ("---:|" if floor else ""),
        *(_score_row(name, shipped, floor) for name in metrics),
        "",
        f"Lower is better for {' and '.join(lower)}. "
        "The test split took no part in training or in the choice.",
        "",
        *_baseline_lines(comparison["baseline"], comparison["metric"]),
        " ".join(filter(None, (f"Why this one: {plain(comparison['reason'])}", comparison["sureness"]))),
        "",
        *(["Warnings:", "", *warnings, ""] if warnings else []),
        "## How it was trained",
        "",
        f"- Method: {plain(chosen['method'])} ({WORDS[method['kind']]}), seed {chosen['seed']}; "
        f"{method['parameters_trainable']:,} of {method['parameters_total']:,} parameters learnt "
        f"({share:.1f}%).",
        f"- Highest peak learning rate: {rates['peak']:.1e}; {plain(rates['why'])}.",
        f"- Best of {shipped['epochs']} epochs: {shipped['best_epoch']}.",
        f"- Data: {rows['train']:,} training, {rows['validation']:,} validation and {rows['test']:,} "
        "test rows.",
        f"- The model reads at most {data['max_length']} tokens at a time"
        + "".join(f"; {name.replace('_', ' ')}: {number:,} (training split)" for name, number in cut.items())
        + ".",
        "",
        "## Use and limits",
        "",
        f"{words.limits} Other languages, domains or lengths, and decisions about people, need an "
        "evaluation of their own. What is skewed in the training data is skewed in the answers.",
        "",
        "```sh",
        words.command,
        "```",
        "",
        "```python",
        *words.example,
        "```",
        "",
        *words.closing,
    ]
    return "\n".join(lines)


def _baseline_lines(baseline: Mapping[str, Any] | None, metric: str) -> list[str]:
    if baseline is None or metric not in baseline["test"]:
        return []
    return [
        f"Without a pretrained model, in seconds: {plain(baseline['name'])} has a {metric_title(metric)} of "
        f"{baseline['test'][metric]:.4f} on test.",
        "",
    ]


def _score_row(metric: str, shipped: Mapping[str, Any], floor: Mapping[str, Any] | None) -> str:
    row = f"| {metric_title(metric)} | {shipped['validation'][metric]:.4f} | {shipped['test'][metric]:.4f} |"
    if floor is None:
        return row
    return f"{row} {floor['test'][metric]:.4f} |" if metric in floor["test"] else f"{row} |"
