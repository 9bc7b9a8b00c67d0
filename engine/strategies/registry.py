"""Strategies by name or by file: one decorated function each."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
from pydantic import BaseModel, ConfigDict, create_model

from engine.features import find_feature
from engine.strategies.columns import Columns, UnknownFeatureError, Wishes

_BUILT_IN = ("ema", "direction", "trend")


class StrategyError(ValueError):
    """A strategy cannot be found or used."""


@dataclass(frozen=True, slots=True)
class FeatureUse:
    """One feature at one length; `length` is a number, or the name of the strategy's parameter that holds it."""

    feature: str
    length: int | str


@dataclass(frozen=True, slots=True)
class Strategy:
    """A pure function of columns with what it needs. `lookback` is how many last bars its answer depends on;
    `forecasts` says whether it reads the playbook's model."""

    name: str
    decide: Callable[..., Wishes]
    features: Mapping[str, FeatureUse]
    lookback: int
    parameters: type[BaseModel]
    where: str  # the built-in name, or the file
    digest: str  # of the source
    forecasts: bool = False

    def check(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters, checked, with defaults. Raises pydantic's `ValidationError`."""
        return self.parameters.model_validate(dict(given)).model_dump()

    def lengths(self, parameters: Mapping[str, Any]) -> dict[str, tuple[str, int]]:
        """Column name → (feature, length) under these parameters."""
        return {
            column: (use.feature, parameters[use.length] if isinstance(use.length, str) else use.length)
            for column, use in self.features.items()
        }

    def wishes(self, columns: Columns, parameters: Mapping[str, Any]) -> Wishes:
        """The answer to these bars. Raises `StrategyError`, with file and line, for a mistake in the function."""
        try:
            answer = self.decide(columns, **parameters)
        except Exception as error:
            raise StrategyError(f"{self._place(error)}: {_mistake(error)}") from error
        if not isinstance(answer, Wishes):
            raise StrategyError(f"{self._place()}: {self.name} returned {type(answer).__name__}; return Wishes(...)")
        if wrong := _wrong_columns(answer, len(columns)):
            raise StrategyError(f"{self._place()}: {self.name} returned {wrong}")
        return answer

    def _place(self, error: BaseException | None = None) -> str:
        """`FILE, line N`: the last line of the strategy's own that the error passed."""
        code = self.decide.__code__
        frames = traceback.extract_tb(error.__traceback__) if error else []
        lines = [frame.lineno for frame in frames if frame.filename == code.co_filename]
        return f"{code.co_filename}, line {lines[-1] if lines else code.co_firstlineno}"


_STRATEGIES: dict[str, Strategy] = {}


def strategy(
    lookback: int, features: Mapping[str, tuple[str, int | str]], forecasts: bool = False
) -> Callable[[Callable[..., Wishes]], Callable[..., Wishes]]:
    """Declare a strategy: the function's name is its name, its keyword arguments with defaults are its parameters.

    `features` maps a column's name to (feature, length), where a length may be a parameter's name. `forecasts`: it
    reads the forecasts of the playbook's model, which the playbook must describe.
    """

    def register(decide: Callable[..., Wishes]) -> Callable[..., Wishes]:
        source = inspect.getsourcefile(decide) or ""
        _STRATEGIES[_key(decide.__name__, source)] = Strategy(
            name=decide.__name__,
            decide=decide,
            features=_feature_uses(decide, features),
            lookback=lookback,
            parameters=_parameter_model(decide),
            where=decide.__name__ if decide.__name__ in _BUILT_IN else source,
            digest=hashlib.sha256(Path(source).read_bytes()).hexdigest(),
            forecasts=forecasts,
        )
        return decide

    return register


def find_strategy(name: str, folder: Path) -> Strategy:
    """The built-in strategy `name`, or the one in the Python file `name` (as seen from `folder`)."""
    if name.endswith(".py"):
        return _from_file((folder / Path(name).expanduser()).resolve())
    if name not in _BUILT_IN:
        raise StrategyError(f"there is no strategy {name!r}; built in: {', '.join(_BUILT_IN)}; or name a .py file")
    importlib.import_module(f"engine.strategies.{name}")
    return _STRATEGIES[name]


def _wrong_columns(answer: Wishes, bars: int) -> str:
    """What is wrong with the first column that is not one value per bar, or not of its kind; "" when all are well."""
    asked: dict[str, tuple[Any, str, str]] = {
        "enter": (answer.enter, "b", "True or False"),
        "leave": (answer.leave, "b", "True or False"),
        "side": (answer.side, "if", "+1 or -1"),
        "confidence": (answer.confidence, "iuf", "a number"),
    }
    for name, (given, kinds, meant) in asked.items():
        if given is None and name in ("side", "confidence"):
            continue
        if not isinstance(given, np.ndarray):
            return f"{name} as {type(given).__name__}; return an array of {bars} values, {meant} for every bar"
        if given.shape != (bars,) or given.dtype.kind not in kinds:
            shape = " × ".join(map(str, given.shape)) or "1"
            return f"{name} of {shape} values ({given.dtype}); return an array of {bars} values, {meant} for every bar"
    return ""


def _mistake(error: Exception) -> str:
    return str(error) if isinstance(error, UnknownFeatureError) else f"{type(error).__name__}: {error}"


def _key(name: str, source: str) -> str:
    return name if name in _BUILT_IN and Path(source).parent == Path(__file__).parent else source


def _from_file(path: Path) -> Strategy:
    if not path.is_file():
        raise StrategyError(f"there is no strategy file {path}")
    before = _STRATEGIES.pop(str(path), None)
    spec = importlib.util.spec_from_file_location(f"nightdesk_strategy_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise StrategyError(f"{path} is no Python file")
    try:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    except StrategyError as error:
        raise StrategyError(f"{path}: {error}") from error
    except Exception as error:
        raise StrategyError(f"{path} could not be loaded: {type(error).__name__}: {error}") from error
    finally:
        if before is not None:
            _STRATEGIES.setdefault(str(path), before)
    if str(path) not in _STRATEGIES:
        raise StrategyError(f"{path} declares no strategy; put @strategy(...) above one function")
    return _STRATEGIES[str(path)]


def _parameter_model(decide: Callable[..., Wishes]) -> type[BaseModel]:
    hints = get_type_hints(decide, include_extras=True)
    _, *rest = inspect.signature(decide).parameters.values()
    fields: dict[str, Any] = {}
    for parameter in rest:
        if parameter.default is inspect.Parameter.empty or parameter.name not in hints:
            raise StrategyError(
                f"{decide.__name__}: parameter {parameter.name!r} needs a type and a default, like length: int = 20"
            )
        fields[parameter.name] = (hints[parameter.name], parameter.default)
    config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
    return create_model(f"{decide.__name__} parameters", __config__=config, **fields)


def _feature_uses(
    decide: Callable[..., Wishes], features: Mapping[str, tuple[str, int | str]]
) -> dict[str, FeatureUse]:
    known = inspect.signature(decide).parameters
    for column, (name, length) in features.items():
        try:
            find_feature(name)
        except KeyError as error:
            raise StrategyError(f"{decide.__name__}: column {column!r}: {error.args[0]}") from error
        if isinstance(length, str) and length not in known:
            raise StrategyError(f"{decide.__name__}: column {column!r} names no parameter {length!r}")
    return {column: FeatureUse(name, length) for column, (name, length) in features.items()}
