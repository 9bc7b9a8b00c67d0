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
_DECIDED = ("promoted", "rejected")  # a version of which this was said is no longer on offer

Version = tuple[str, str]  # model, version


@dataclass(slots=True)
class Told:
    """What the ledger says of versions. `ruled`: champion once. `serving`: champion now or before, or a challenger."""

    offered: set[Version] = field(default_factory=set)
    ruled: set[Version] = field(default_factory=set)
    serving: set[Version] = field(default_factory=set)


def told_of(ledger: Path) -> Told:
    """Read it from the rows that can change it. Raises `LedgerError`."""
    told, known = Told(), set[tuple[str, type]]()
    stated, decided = set[str](), set[Version]()  # models whose challengers a newer row names; versions it decided on
    for change in _changes(ledger):
        newest = (change.model, type(change)) not in known  # the newest of each kind says which champions stand
        known.add((change.model, type(change)))
        champions = {(change.model, one) for one in _champions(change)}
        told.ruled |= champions
        told.serving |= champions if newest else set()
        if change.model not in stated:
            told.serving |= {one for one in _challengers(change, newest) if one not in decided}
        if change.challengers is not None:
            stated.add(change.model)
        if isinstance(change, ModelOffered):
            told.offered.add((change.model, change.offered.version))
        elif change.what in _DECIDED:
            decided.add((change.model, change.version))
    return told


def _changes(ledger: Path) -> Iterator[ModelOffered | ModelChanged]:
    """Every offer, promotion, rejection and way back, the newest first."""
    kinds = (ModelTrained.__name__, ModelPressed.__name__)
    rows = sorted((row for kind in kinds for row in newest_records(ledger, kind)), key=lambda row: -row.seq)
    for row in rows:
        yield from (one for one in reversed(row.outcomes) if isinstance(one, ModelOffered | ModelChanged))


def _champions(change: ModelOffered | ModelChanged) -> list[str]:
    """The versions that are or were champion."""
    if isinstance(change, ModelOffered):
        return [change.champion] if change.champion else []
    return [one for one in (change.champion, change.previous, change.replaced) if one]


def _challengers(change: ModelOffered | ModelChanged, newest: bool) -> set[Version]:
    """The versions on offer or in the shadow, as far as one row says.

    Older rows name one of several: an offer that the gate lets be promoted is never displaced by one that it does not.
    """
    if change.challengers is not None:
        names = change.challengers
    elif isinstance(change, ModelChanged):
        names = (change.challenger,) if newest else ()
    else:
        names = (change.offered.version,) if newest or change.offered.promotable else ()
    return {(change.model, one) for one in names if one}


def superseded(folder: ModelFolder, told: Told, kept: int = MODELS_KEPT) -> list[Version]:
    """Versions that can never be used again: offered once, never champion, no challenger, and not among the newest."""
    found = []
    for model in sorted({model for model, _ in told.offered}):
        old = folder.versions(model)[:-kept]
        found += [(model, version) for version in old if (model, version) in told.offered]
    return [one for one in found if one not in told.ruled | told.serving]


def in_use(folder: ModelFolder, told: Told) -> list[Path]:
    """The folders of the versions that forecast or may be promoted now."""
    return [folder.path(*one) for one in sorted(told.serving) if one[1] in folder.versions(one[0])]
