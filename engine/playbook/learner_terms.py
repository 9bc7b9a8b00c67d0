"""The learner of a model, and a sweep: which of its numbers to try, and on how many folds."""

from __future__ import annotations

import itertools
import json
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from engine.forecasting.learner import require_device
from engine.playbook.errors import PlaybookError, describe
from engine.playbook.parts import Count, Part
from engine.playbook.units import Fraction

MOST_MEMBERS = 64


class Learner(Part):
    """Gradient-boosted trees (XGBoost), by its own names' meanings; early stopping ends before `rounds`."""

    rounds: Annotated[int, Field(ge=1, le=5000)] = 400
    early_stopping: Count = 30
    depth: Annotated[int, Field(ge=1, le=12)] = 3
    eta: Annotated[float, Field(gt=0, le=1)] = 0.05
    subsample: Fraction = 0.8
    colsample: Fraction = 0.8
    min_child_weight: Annotated[float, Field(ge=0)] = 50.0
    reg_lambda: Annotated[float, Field(ge=0)] = 1.0
    bins: Annotated[int, Field(ge=8, le=512)] = 64
    seed: Annotated[int, Field(ge=0)] = 1
    device: Literal["cpu", "cuda"] = "cpu"

    @field_validator("device")
    @classmethod
    def _there(cls, device: Literal["cpu", "cuda"]) -> Literal["cpu", "cuda"]:
        require_device(device)
        return device


class Sweep(Part):
    """Every combination of the values listed is one member; what is not listed keeps the playbook's number."""

    depth: tuple[int, ...] = ()
    eta: tuple[float, ...] = ()
    rounds: tuple[int, ...] = ()
    subsample: tuple[float, ...] = ()
    colsample: tuple[float, ...] = ()
    min_child_weight: tuple[float, ...] = ()
    reg_lambda: tuple[float, ...] = ()
    folds: Annotated[int, Field(ge=2, le=10)] = 3

    @model_validator(mode="after")
    def _small(self) -> Sweep:
        count = 1
        for values in self._listed().values():
            count *= len(values)
        if not 2 <= count <= MOST_MEMBERS:
            raise ValueError(f"{count} combinations: a sweep has 2 to {MOST_MEMBERS}, like depth: [2, 3, 4]")
        return self

    def members(self, learner: Learner) -> tuple[Learner, ...]:
        """The learner with each combination. Raises `PlaybookError` for a number that it cannot have."""
        listed = self._listed()
        try:
            return tuple(
                Learner.model_validate(learner.model_dump() | dict(zip(listed, values, strict=True)))
                for values in itertools.product(*listed.values())
            )
        except ValidationError as error:
            raise PlaybookError(describe(error, "the sweep", Learner)) from error

    def _listed(self) -> dict[str, tuple[Any, ...]]:
        return {name: values for name in type(self).model_fields if name != "folds" and (values := getattr(self, name))}


def read_sweep(text: str, source: str) -> Sweep:
    """A sweep from YAML like `depth: [2, 3, 4]`. Raises `PlaybookError`."""
    try:
        return Sweep.model_validate_json(_as_json(text, source))
    except ValidationError as error:
        raise PlaybookError(describe(error, source, Sweep)) from error


def _as_json(text: str, source: str) -> str:
    try:
        return json.dumps(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise PlaybookError(f"{source}: {' '.join(str(error).split())}") from error
