"""Gradient-boosted trees: one fit, early-stopped on validation, the same every time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.forecasting.boosting import xgb
from engine.forecasting.cases import Classes, JudgementError
from engine.forecasting.model import Features

Progress = Callable[[float], None]
NO_CUDA = (
    "device: cuda needs the extra [gpu], which is not installed; "
    "`uv sync --extra gpu --no-install-package xgboost-cpu` swaps it in, or use device: cpu"
)


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted booster, cut to its best round; `loss` is the log-loss on validation by round."""

    booster: Any
    rounds: int
    loss: tuple[float, ...]


def fit(
    train: Features,
    label: Classes,
    validation: Features,
    truth: Classes,
    classes: int,
    parameters: Mapping[str, Any],
    *,
    names: Sequence[str] = (),
    threads: int = 1,
    progress: Progress | None = None,
) -> Fit:
    """Fit on `train`, stop when `validation` has not improved for `early_stopping` rounds.

    `parameters` are the numbers of the playbook's `learner`; `names` those of the features, for what is said of them.
    The same rows, numbers and threads give the same trees.
    Raises `JudgementError` for rows that nothing can be learnt from, or a device that is not there.
    """
    xgboost = xgb()
    _look_at(train, label, truth, names)
    require_device(str(parameters.get("device", "cpu")))
    bins = int(parameters["bins"])
    first = xgboost.QuantileDMatrix(np.asarray(train, np.float32), label, max_bin=bins, nthread=threads)
    second = xgboost.QuantileDMatrix(
        np.asarray(validation, np.float32), truth, max_bin=bins, ref=first, nthread=threads
    )
    told: dict[str, dict[str, list[float]]] = {}
    booster = xgboost.train(
        _settings(parameters, classes, threads),
        first,
        num_boost_round=int(parameters["rounds"]),
        evals=[(second, "validation")],
        early_stopping_rounds=int(parameters["early_stopping"]),
        evals_result=told,
        verbose_eval=False,
        callbacks=[_teller(progress, int(parameters["rounds"]))] if progress else None,
    )
    best = int(booster.best_iteration) + 1
    loss = next(iter(told["validation"].values()))
    return Fit(booster[:best], best, tuple(loss))


def require_device(device: str) -> None:
    """Raise `JudgementError` for a device that the installed XGBoost cannot use."""
    if device == "cpu":
        return
    if not xgb().build_info().get("USE_CUDA"):
        raise JudgementError("DEVICE", NO_CUDA)


def _settings(parameters: Mapping[str, Any], classes: int, threads: int) -> dict[str, Any]:
    two = {"objective": "binary:logistic", "eval_metric": "logloss"}
    more = {"objective": "multi:softprob", "eval_metric": "mlogloss", "num_class": classes}
    return {
        "tree_method": "hist",
        "device": parameters.get("device", "cpu"),
        "max_bin": int(parameters["bins"]),
        "max_depth": int(parameters["depth"]),
        "eta": float(parameters["eta"]),
        "subsample": float(parameters["subsample"]),
        "colsample_bytree": float(parameters["colsample"]),
        "min_child_weight": float(parameters["min_child_weight"]),
        "lambda": float(parameters["reg_lambda"]),
        "seed": int(parameters["seed"]),
        "nthread": threads,
        "verbosity": 0,
    } | (two if classes == 2 else more)


def _look_at(train: Features, label: Classes, truth: Classes, names: Sequence[str]) -> None:
    if not len(label) or not len(truth):
        raise JudgementError("NO_ROWS", "there are no rows to learn from; train on a longer history")
    if len(np.unique(label)) < 2 or len(np.unique(truth)) < 2:
        raise JudgementError("ONE_CLASS", "all labels are the same: there is nothing to tell apart")
    if not np.isfinite(train).all():
        raise JudgementError("NOT_A_NUMBER", "a feature is missing in some rows; leave such rows out")
    still = [number for number in range(train.shape[1]) if math.isclose(np.ptp(train[:, number]), 0.0)]
    if still:
        which = names[still[0]] if names else f"number {still[0] + 1}"
        raise JudgementError("CONSTANT", f"the feature {which} never changes; leave it out, or look at its source")


def _teller(progress: Progress, rounds: int) -> Any:
    import xgboost

    class Teller(xgboost.callback.TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            progress((epoch + 1) / rounds)
            return False

    return Teller()
