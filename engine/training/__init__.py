"""Training: rows from bars, a fit, its judgement, an artefact, and a row in the experiment ledger for every fit.

In order: `sources` (bars), `dataset` (rows), `fitting` (one fit), `folds` and `sweeping` (many, spread out by
`spreading`), `controls` (canaries), `trading` (money), `training` (all of it), `passports` and `reports` (what is
written down). What a command needs is here, and opens on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.forecasting.cases import JudgementError
    from engine.playbook.learner_terms import read_sweep
    from engine.store.rows import market_of
    from engine.training.experiments import code_hash, opened
    from engine.training.fitting import Lab
    from engine.training.reports import results, summary, table
    from engine.training.sources import Source, from_bars, from_files, from_store, wanted, with_history
    from engine.training.spreading import BACKENDS, Spread, SpreadError, spread_named
    from engine.training.training import Study, Trained, model_of, train

__all__ = [
    "BACKENDS",
    "JudgementError",
    "Lab",
    "Source",
    "Spread",
    "SpreadError",
    "Study",
    "Trained",
    "code_hash",
    "from_bars",
    "from_files",
    "from_store",
    "market_of",
    "model_of",
    "opened",
    "read_sweep",
    "results",
    "spread_named",
    "summary",
    "table",
    "train",
    "wanted",
    "with_history",
]

_ROOMS = {
    "engine.forecasting.cases": ("JudgementError",),
    "engine.playbook.learner_terms": ("read_sweep",),
    "engine.store.rows": ("market_of",),
    "engine.training.experiments": ("code_hash", "opened"),
    "engine.training.fitting": ("Lab",),
    "engine.training.reports": ("results", "summary", "table"),
    "engine.training.sources": ("Source", "from_bars", "from_files", "from_store", "wanted", "with_history"),
    "engine.training.spreading": ("BACKENDS", "Spread", "SpreadError", "spread_named"),
    "engine.training.training": ("Study", "Trained", "model_of", "train"),
}
_DOORS = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _DOORS:
        raise AttributeError(f"training has no {name!r}")
    return getattr(importlib.import_module(_DOORS[name]), name)
