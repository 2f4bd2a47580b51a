"""What pydantic found wrong, in the words of the file that the user wrote: one line a key."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails


def problem_lines(
    errors: Sequence[ErrorDetails], content: Mapping[str, Any], schema: Mapping[str, Any]
) -> list[str]:
    """Return one line a key; the alternatives of a union are joined by "or".

    Args:
        errors: What pydantic reports.
        content: The mapping that was checked.
        schema: The model's JSON schema, for ranges and known keys.
    """
    by_key: dict[str, list[tuple[str, str]]] = {}
    for error in errors:
        key, found = _locate(error, content)
        by_key.setdefault(key, []).append((_sentence(error, schema), found))
    lines = []
    for key, sentences in by_key.items():
        distinct = list(dict.fromkeys(text for text, _ in sentences))
        found = sentences[0][1]
        joined = " or ".join([distinct[0], *(text.removeprefix("must be ") for text in distinct[1:])])
        lines.append(f"{key}: {joined}{found}" if key else f"{joined}{found}")
    return lines


def _locate(error: ErrorDetails, content: Any) -> tuple[str, str]:
    """Return the key as the user wrote it, and what stands there.

    pydantic's location also holds the names of union members; only steps that exist in the file
    count, and the last one when the key is missing.
    """
    steps: list[str] = []
    for step in error["loc"]:
        indexes = isinstance(content, list) and isinstance(step, int)
        if indexes or (isinstance(content, Mapping) and step in content):
            content = content[step]
        elif error["type"] in {"missing", "union_tag_not_found"} and step == error["loc"][-1]:
            steps.append(str(step))
            break
        else:
            continue
        steps.append(str(step))
    if error["type"] == "union_tag_not_found":
        steps.append("kind")
    elif error["type"] == "union_tag_invalid" and isinstance(content, Mapping):
        steps.append("kind")
        content = content["kind"]
    shows = {"missing", "extra_forbidden", "value_error", "union_tag_not_found", "too_short"}
    if error["loc"] and error["loc"][-1] == "[key]":
        return ".".join(steps), ""
    shown = "nothing" if content is None else repr(content)
    return ".".join(steps), "" if error["type"] in shows else f" (got {shown})"


_TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list such as [a, b]",
    "dict_type": "a mapping of keys and values",
    "model_type": "a mapping of keys and values",
    "model_attributes_type": "a mapping of keys and values",
}
_BOUNDS = {
    "exclusiveMinimum": "above",
    "minimum": "at least",
    "exclusiveMaximum": "below",
    "maximum": "at most",
}


def _sentence(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if error["loc"] and error["loc"][-1] == "[key]":
        return "is no name: a name must be text, a letter first"
    if kind in _TYPES:
        return f"must be {_TYPES[kind]}"
    match kind:
        case "missing":
            return "is missing"
        case "union_tag_not_found":
            return f"is missing; it must be {_kinds(_node(schema, error['loc']), schema)}"
        case "union_tag_invalid":
            return f"must be {_kinds(_node(schema, error['loc']), schema)}"
        case "extra_forbidden":
            *parents, key = error["loc"]
            known = list(dict.fromkeys(_keys(_node(schema, parents), schema)))
            return f"unknown key{did_you_mean(str(key), known) or '; known are ' + ', '.join(known)}"
        case "literal_error":
            return "must be " + str(context["expected"]).replace("'", "")
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            bounds = _ranges(_node(schema, error["loc"]), schema)
            return "must be " + " and ".join(
                f"{_BOUNDS[bound]} {limit:.10g}" for bound, limit in bounds.items()
            )
        case "too_short" | "string_too_short":
            return "must not be empty"
        case "value_error":
            return str(context["error"])
        case _:
            return error["msg"]


def _node(schema: Mapping[str, Any], location: Sequence[int | str]) -> Mapping[str, Any]:
    """Return the part of a JSON schema that describes the value at `location`."""
    node = schema
    for step in location:
        options = _options(node, schema)
        tagged = [o for o in options if o.get("properties", {}).get("kind", {}).get("const") == step]
        inside = [o.get("properties", {}).get(step) or o.get("additionalProperties") for o in options]
        listed = [o["items"] for o in options if isinstance(step, int) and "items" in o]
        node = next((o for o in [*tagged, *listed, *inside] if isinstance(o, Mapping)), node)
    return node


def _options(node: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return a schema node's alternatives, references resolved."""
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    alternatives = node.get("oneOf", node.get("anyOf", []))
    return [resolved for option in alternatives for resolved in _options(option, schema)] or [node]


def _kinds(node: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Return "one, two or three", the words that `kind` may be in a union of sections."""
    *others, last = [option["properties"]["kind"]["const"] for option in _options(node, schema)]
    return f"{', '.join(others)} or {last}"


def _ranges(node: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, float]:
    return {bound: option[bound] for option in _options(node, schema) for bound in _BOUNDS if bound in option}


def _keys(node: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    return [key for option in _options(node, schema) for key in option.get("properties", {})]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean X?" for the closest known word, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
