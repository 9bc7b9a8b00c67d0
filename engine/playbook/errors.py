"""What a playbook's reader says when something is wrong: the file, the key, what was found and what is allowed."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError


class PlaybookError(ValueError):
    """A playbook cannot be used; the text names the file, the key and what is allowed."""


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """` Did you mean X?`, or nothing when no allowed word is close."""
    close = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


def describe(error: ValidationError, source: str, model: type[BaseModel]) -> str:
    """Every problem of `error` as sentences that a newcomer understands."""
    problems: list[dict[str, Any]] = [dict(problem) for problem in error.errors(include_url=False)]
    deeper = {problem["loc"][:1] for problem in problems if len(problem["loc"]) > 1}
    told = [problem for problem in problems if problem["type"] != "too_short" or problem["loc"] not in deeper]
    lines = [_sentence(problem, model) for problem in told]
    return f"{source}: " + "\n  ".join(dict.fromkeys(lines))


def path_of(location: Sequence[Any]) -> str:
    """`strategies[0].exits.stop` from pydantic's location."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "the playbook"


def _sentence(problem: dict[str, Any], model: type[BaseModel]) -> str:
    location = tuple(part for part in problem["loc"] if not _is_union_tag(part))
    kind, found = problem["type"], problem["input"]
    if kind == "extra_forbidden":
        allowed = sorted(_keys_at(model, location[:-1]))
        hint = did_you_mean(str(location[-1]), allowed)
        return f"unknown key `{path_of(location)}`.{hint} Allowed here: {', '.join(allowed)}."
    if kind == "missing":
        return f"`{path_of(location)}` is missing."
    if kind == "value_error":
        return f"`{path_of(location)}`: {problem['ctx']['error']}."
    return f"`{path_of(location)}` was {found!r}: {_plain(problem['msg'])}."


def _plain(message: str) -> str:
    return message.replace("Input should", "it must").replace("valid ", "")


def _is_union_tag(part: Any) -> bool:
    return isinstance(part, str) and any(mark in part for mark in "[(")


def _keys_at(model: type[BaseModel], location: Sequence[Any]) -> Iterable[str]:
    """The keys of the model that sits at `location` inside `model`."""
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return model.model_fields


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    found = (_model_in(argument) for argument in typing.get_args(annotation))
    return next((model for model in found if model is not None), None)
