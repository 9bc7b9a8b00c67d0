"""A row of the experiment ledger: one fit, or one backtest of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

TRIAL, BACKTEST, CANARY, FOLD = "trial", "backtest", "canary", "fold"
STARTED, DONE, FAILED = "started", "done", "failed"


@dataclass(frozen=True, slots=True)
class Experiment:
    """`kind`: a *trial* and a *backtest* are what a result could be chosen from; canaries and folds are controls.

    `id` counts in one data folder; `uid` is the row's own wherever it is kept.
    """

    id: int
    model: str
    kind: str
    started_at: datetime
    ended_at: datetime | None
    status: str
    dataset: str
    code: str
    parameters: Mapping[str, Any]
    figures: Mapping[str, Any]
    uid: str = ""


def said(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
