"""The closing report of a backfill: what came, what is missing and why, what looked wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engine.backfill.findings import Findings
from engine.backfill.gaps import CAUSES
from engine.backfill.outliers import Outlier
from engine.backfill.wanted import Wanted
from engine.domain import Symbol, instant

CARD = 20  # of each, on a card
SHOWN = 200  # outliers, gaps and failed pieces that the report lists one by one


@dataclass(slots=True)
class SymbolReport:
    """One symbol as the store has it now, in the range that was asked for."""

    bars: int = 0
    first: datetime | None = None
    last: datetime | None = None
    gaps: dict[str, tuple[int, int]] = field(default_factory=dict)  # cause → stretches, missing bars
    longest: dict[str, tuple[datetime, datetime, int]] = field(default_factory=dict)  # cause → start, end, bars


@dataclass(slots=True)
class Report:
    """`fate`: done, incomplete (pieces failed), cancelled, or stopped (see `why`). Rows: what this run wrote; `new`,
    `revised` and `same` say what became of them in the store. `earlier`: the rows of pieces that earlier runs finished;
    the findings are of these too. `repeats`: whether the same command goes on from here; where it cannot, `instead`
    names what the source has of the coins that were asked for."""

    wanted: Wanted
    fate: str = "done"
    why: str = ""
    pieces: int = 0
    before: int = 0
    done: int = 0
    rows: int = 0
    new: int = 0
    revised: int = 0
    same: int = 0
    earlier: int = 0
    repeats: bool = True
    instead: tuple[Symbol, ...] = ()
    seconds: float = 0.0
    checked: bool = False  # whether the store was looked through: not when the job was cut short
    absent: dict[Symbol, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)  # piece → why
    symbols: dict[Symbol, SymbolReport] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)
    outliers: list[Outlier] = field(default_factory=list)
    unlisted: int = 0  # gaps without trades that are counted here and not in the table

    def gaps(self, cause: str) -> tuple[int, int]:
        """Stretches and missing bars of all symbols for one cause."""
        found = [one.gaps.get(cause, (0, 0)) for one in self.symbols.values()]
        return sum(count for count, _ in found), sum(bars for _, bars in found)

    def rejected(self) -> dict[str, int]:
        """Rows that were not taken, by code."""
        counts: dict[str, int] = {}
        for (_, code), (count, _sentence) in self.findings.rejected.items():
            counts[code] = counts.get(code, 0) + count
        return counts

    def as_json(self) -> dict[str, Any]:
        """Everything, for a file or another process."""
        wanted = self.wanted
        return {
            "source": wanted.source,
            "market": wanted.market,
            "interval": wanted.interval_name,
            "since": wanted.since.isoformat(),
            "until": wanted.until.isoformat(),
            "asked": list(wanted.symbols),
            **{name: getattr(self, name) for name in ("fate", "why", "checked", "absent")},
            "repeats": self.repeats,
            "instead": list(self.instead),
            "pieces": {"all": self.pieces, "before": self.before, "now": self.done, "failed": len(self.failed)},
            "failed": dict(list(self.failed.items())[:SHOWN]),
            **{name: getattr(self, name) for name in ("rows", "new", "revised", "same", "earlier")},
            "seconds": round(self.seconds, 1),
            "duplicates": self.findings.duplicates,
            "kept_of_other_sources": self.findings.kept,
            "gaps": {cause: dict(zip(("stretches", "bars"), self.gaps(cause), strict=True)) for cause in CAUSES},
            "gaps_only_counted": self.unlisted,
            "rejected": self.rejected(),
            "rejected_rows": [_rejected(place, told) for place, told in self.findings.rejected.items()],
            "outliers": {"count": len(self.outliers), "first": [_outlier(one) for one in self.outliers[:SHOWN]]},
            "differences": [_difference(*place, self.findings) for place in self.findings.differences],
            "notes": self.findings.notes,
            "symbols": {symbol: _symbol(one) for symbol, one in self.symbols.items()},
        }

    def summary(self) -> dict[str, Any]:
        """What a closing card needs, small enough for a ledger row."""
        body = self.as_json()
        del body["symbols"], body["asked"]
        body["outliers"] = {**body["outliers"], "first": body["outliers"]["first"][:CARD]}
        for name in ("rejected_rows", "differences", "notes"):
            body[name] = body[name][:CARD]
        for name in ("absent", "failed"):
            body[name] = dict(list(body[name].items())[:CARD])
        return body


def _symbol(one: SymbolReport) -> dict[str, Any]:
    return {
        "bars": one.bars,
        "first": one.first.isoformat() if one.first else None,
        "last": one.last.isoformat() if one.last else None,
        "gaps": {cause: {"stretches": count, "bars": bars} for cause, (count, bars) in one.gaps.items()},
        "longest": {
            cause: {"from": start.isoformat(), "to": end.isoformat(), "bars": bars}
            for cause, (start, end, bars) in one.longest.items()
        },
    }


def _rejected(place: tuple[Symbol, str], told: tuple[int, str]) -> Mapping[str, Any]:
    return {"symbol": place[0], "code": place[1], "rows": told[0], "first": told[1]}


def _outlier(one: Outlier) -> Mapping[str, Any]:
    return {
        "symbol": one.symbol,
        "at": one.at.isoformat(),
        "kind": one.kind,
        "move": round(one.move, 5),
        "price": one.price,
    }


def _difference(symbol: Symbol, source: str, findings: Findings) -> Mapping[str, Any]:
    one = findings.differences[symbol, source]
    ratio = one.volume_ratio
    return {
        "symbol": symbol,
        "source": source,
        "bars": one.bars,
        "median_bp": round(one.quantile(0.5), 4),
        "p99_bp": round(one.quantile(0.99), 4),
        "worst_bp": round(one.worst, 4),
        "worst_at": instant(one.worst_at).isoformat() if one.worst_at else None,
        "volume_ratio": round(ratio, 6) if ratio == ratio else None,
    }
