"""The model card: what a model does, how well, on what it was trained, and how to use it.

Source of the form: Mitchell et al. 2019, "Model Cards for Model Reporting", https://arxiv.org/abs/1810.03993,
with the front matter that model hubs read.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tritune.comparison import METRIC_NAMES
from tritune.metrics.direction import METRICS

PIPELINE_TAGS = {"text_classification": "text-classification"}
SHOWN_LABELS = 200


def model_card(comparison: Mapping[str, Any], *, architecture: str) -> str:
    """Return the card as Markdown with YAML front matter; the same text for the same comparison.

    Args:
        comparison: Content of comparison.json.
        architecture: `model_type` of the model's config.
    """
    chosen = comparison["chosen"]
    method = next(one for one in comparison["methods"] if one["method"] == chosen["method"])
    shipped = next(one for one in method["seeds"] if one["seed"] == chosen["seed"])
    labels: Sequence[str] = comparison["labels"]
    rows, data = comparison["rows"], comparison["data"]
    tag = PIPELINE_TAGS.get(comparison["task"], comparison["task"])
    share = 100 * method["parameters_trainable"] / method["parameters_total"]
    warnings = [f"- {_plain(warning)}" for warning in comparison["warnings"]]
    lines = [
        "---",
        "library_name: transformers",
        f"pipeline_tag: {tag}",
        f"tags: [{json.dumps(tag)}, {json.dumps(architecture)}, tritune]",
        f"metrics: [{', '.join(METRICS)}]",
        "tritune:",
        f"  task: {json.dumps(comparison['task'])}",
        f"  method: {json.dumps(chosen['method'])}",
        f"  kind: {json.dumps(method['kind'])}",
        f"  seed: {chosen['seed']}",
        f"  labels: {json.dumps(list(labels), ensure_ascii=False)}",
        *(
            f"  {split}: {json.dumps({metric: shipped[split][metric] for metric in METRICS})}"
            for split in ("validation", "test")
        ),
        "---",
        "",
        f"# Text classifier with {len(labels)} labels",
        "",
        f"A fine-tuned transformer of the type `{architecture}` that gives a text one of {len(labels)} "
        "labels, with a probability for each.",
        "",
        "## How well",
        "",
        "| metric | validation | test | always the most frequent label (test) |",
        "|---|---:|---:|---:|",
        *(
            f"| {METRIC_NAMES[metric]} | {shipped['validation'][metric]:.4f} | {shipped['test'][metric]:.4f} "
            f"| {comparison['floors']['test'][metric]:.4f} |"
            for metric in METRICS
        ),
        "",
        "Lower is better for the last two. The test split took no part in training or in the choice.",
        "",
        f"Why this one: {_plain(comparison['reason'])}",
        "",
        *(["Warnings:", "", *warnings, ""] if warnings else []),
        "## How it was trained",
        "",
        f"- Method: {_plain(chosen['method'])} ({method['kind']} fine-tuning), seed {chosen['seed']}; "
        f"{method['parameters_trainable']:,} of {method['parameters_total']:,} parameters learnt "
        f"({share:.1f}%).",
        f"- Best of {shipped['epochs']} epochs: {shipped['best_epoch']}.",
        f"- Data: {rows['train']:,} training, {rows['validation']:,} validation and {rows['test']:,} "
        "test rows.",
        f"- A text is cut after {data['max_length']} tokens; that touched {data['truncated']['train']:,} "
        "training rows.",
        "",
        "## Use and limits",
        "",
        "It answers for texts like those it was trained on. A text that fits none of the labels gets one all "
        "the same, often with high confidence. Other languages, domains or lengths, and decisions about "
        "people, need an evaluation of their own. What is skewed in the training data is skewed in the "
        "answers.",
        "",
        "```sh",
        'echo "a text" | tritune predict --model FOLDER',
        "```",
        "",
        "```python",
        "from transformers import pipeline",
        "",
        'classify = pipeline("text-classification", model="FOLDER")',
        'classify("a text", truncation=True)',
        "```",
        "",
        "## Labels",
        "",
        ", ".join(_code(label) for label in labels[:SHOWN_LABELS])
        + (f" and {len(labels) - SHOWN_LABELS} more in `config.json`" if len(labels) > SHOWN_LABELS else ""),
        "",
    ]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Return one line in which nothing acts as Markdown or HTML."""
    escaped = " ".join(text.split())
    for character in "\\`*_[]<>|#":
        escaped = escaped.replace(character, f"\\{character}" if character != "<" else "&lt;")
    return escaped


def _code(label: str) -> str:
    """Return a label as inline code, whatever it holds."""
    text = " ".join(label.split()) or " "
    fence = "`"
    while fence in text:
        fence += "`"
    return f"{fence}{text}{fence}" if len(fence) == 1 else f"{fence} {text} {fence}"
