"""Which versions of models the ledger still speaks for, and which lie there for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from engine.forecasting.registry import ModelFolder
from engine.messages import ModelPressed, ModelTrained
from engine.outcomes import ModelChanged, ModelOffered
from engine.store.ledger import newest_records

MODELS_KEPT = 30  # the newest versions of a model, whatever became of them: a month of nights

Version = tuple[str, str]  # model, version


@dataclass(slots=True)
class Told:
    """What the ledger says of versions. `ruled`: champion once. `serving`: champion now or before, or on offer."""

    offered: set[Version] = field(default_factory=set)
    ruled: set[Version] = field(default_factory=set)
    serving: set[Version] = field(default_factory=set)


def told_of(ledger: Path) -> Told:
    """Read it from the rows that can change it. Raises `LedgerError`."""
    told, known = Told(), set[tuple[str, type]]()
    for change in _changes(ledger):
        on_offer, champions = _named(change)
        if isinstance(change, ModelOffered):
            told.offered.add((change.model, on_offer))
        told.ruled |= {(change.model, one) for one in champions}
        if (change.model, type(change)) not in known:  # the newest of each kind says what stands
            known.add((change.model, type(change)))
            told.serving |= {(change.model, one) for one in (on_offer, *champions) if one}
    return told


def _changes(ledger: Path) -> Iterator[ModelOffered | ModelChanged]:
    """Every offer, promotion, rejection and way back, the newest first."""
    kinds = (ModelTrained.__name__, ModelPressed.__name__)
    rows = sorted((row for kind in kinds for row in newest_records(ledger, kind)), key=lambda row: -row.seq)
    for row in rows:
        yield from (one for one in reversed(row.outcomes) if isinstance(one, ModelOffered | ModelChanged))


def _named(change: ModelOffered | ModelChanged) -> tuple[str, tuple[str, ...]]:
    """The version on offer ("" for none), and those that are or were champion."""
    if isinstance(change, ModelOffered):
        return change.offered.version, tuple(filter(None, [change.champion]))
    return change.challenger, tuple(filter(None, [change.champion, change.previous, change.replaced]))


def superseded(folder: ModelFolder, told: Told, kept: int = MODELS_KEPT) -> list[Version]:
    """Versions that can never be used again: offered once, never champion, not on offer, and not among the newest."""
    found = []
    for model in sorted({model for model, _ in told.offered}):
        old = folder.versions(model)[:-kept]
        found += [(model, version) for version in old if (model, version) in told.offered]
    return [one for one in found if one not in told.ruled | told.serving]


def in_use(folder: ModelFolder, told: Told) -> list[Path]:
    """The folders of the versions that forecast or may be promoted now."""
    return [folder.path(*one) for one in sorted(told.serving) if one[1] in folder.versions(one[0])]
