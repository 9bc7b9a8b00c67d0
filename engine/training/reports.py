"""What a training came to: a table for a terminal, everything as JSON, and what the desk must know to offer it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from engine.forecasting.intervals import Estimate
from engine.forecasting.judgement import Judgement
from engine.forecasting.money import Fees, Money
from engine.training.passports import left_out_of, question_of
from engine.training.training import Trained


def summary(trained: Trained, picture: str = "") -> dict[str, Any]:
    """The result of a job: what the desk's message about a trained model needs, times as ISO text."""
    passport = trained.passport
    return {
        "fate": "done",
        "why": passport.sentence,
        "model": passport.name,
        "version": passport.version,
        "artefact": trained.artefact,
        "verdict": passport.verdict,
        "promotable": passport.promotable,
        "by_rule": passport.by_rule,
        "trained": passport.created.isoformat(),
        "expires": passport.expires.isoformat(),
        "sentence": passport.sentence,
        "failing": list(passport.failing),
        "figures": passport.figures,
        "label": passport.label,
        "picture": picture,
    }


def results(trained: Trained, notes: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Everything that was found out, for other programs. `notes`: coins that are not in it, and why."""
    from pydantic import TypeAdapter

    from engine.forecasting.card import ModelCard

    swept, walked = trained.swept, trained.walked
    return {
        **summary(trained),
        "question": question_of(trained.passport),
        "features": list(trained.passport.features),
        "feature_set": trained.passport.feature_set,
        "parameters": trained.passport.parameters,
        "dataset": trained.passport.dataset,
        "code": trained.passport.code,
        "coins": left_out_of(trained.data),
        "absent": dict(notes or {}),
        "card": TypeAdapter(ModelCard).dump_python(trained.card, mode="json"),
        "walk_forward": None if walked is None else _plain(walked),
        "paths": _plain(trained.paths),
        "sweep": None if swept is None else {"members": _plain(swept.members), "best": swept.best},
    }


def table(trained: Trained, notes: Mapping[str, str] | None = None) -> str:
    """The judgement as a person reads it on a terminal."""
    card, passport = trained.card, trained.passport
    lines = [
        f"{passport.name} {passport.version}: {passport.verdict.upper()}",
        card.gate.sentence,
        f"{question_of(passport)}, {passport.feature_set}, judged once on the newest rows:",
        *_judged(card.judgement),
        *(_earned(card.money) if card.money else ()),
        *(_at_venue(card.fees) if card.fees else ()),
    ]
    if trained.walked:
        lines += ["", "walking forward:", *_judged(trained.walked.judgement), *_earned(trained.walked.money)]
        lines += [
            f"  {one.start:%Y-%m-%d} to {one.end:%Y-%m-%d}  {one.accuracy:6.1%}  "
            f"[{one.interval.low:.1%}, {one.interval.high:.1%}]  {one.n:,} rows"
            for one in trained.walked.judgement.folds
        ]
    if trained.paths:
        right = [one.accuracy for one in trained.paths]
        lines += ["", f"{len(right)} combinatorial paths: right {min(right):.1%} to {max(right):.1%}"]
    lines += [*_swept(trained), *_failed(trained), *_left_out(trained, notes or {})]
    return "\n".join(lines)


def _judged(judgement: Judgement) -> Iterator[str]:
    yield f"  {'':<14}{'right':>7}  95 % interval      ahead of it"
    yield _row("this model", judgement.accuracy)
    for one in judgement.beside:
        ahead = (
            f"{one.ahead.value * 100:+.1f} [{one.ahead.interval.low * 100:+.1f}, {one.ahead.interval.high * 100:+.1f}]"
        )
        yield f"{_row(one.name, one.accuracy)}   {ahead} points"
    yield (
        f"  {judgement.rows:,} forecasts, worth {judgement.effective_n:,.0f} independent ones, "
        f"{judgement.start:%Y-%m-%d} to {judgement.end:%Y-%m-%d}; surest tenth {judgement.top_tenth.value:.1%}"
    )
    yield (
        f"  Brier {judgement.brier:.4f}, log-loss {judgement.log_loss:.4f}, calibration error "
        f"{judgement.calibration_error:.2%}" + ("" if judgement.gap is None else f", training gap {judgement.gap:+.1%}")
    )


def _row(name: str, estimate: Estimate) -> str:
    return f"  {name:<14}{estimate.value:>7.1%}  [{estimate.interval.low:.1%}, {estimate.interval.high:.1%}]"


def _earned(money: Money) -> Iterator[str]:
    yield f"  traded: {money.trades:,} trades, {money.pnl:+,.2f} after costs of {money.costs:,.2f}"


def _at_venue(fees: Fees) -> Iterator[str]:
    if fees.differ:
        yield (
            f"  at the venue's fees, {fees.venue:.2%} a side instead of {fees.own:.2%}: {fees.trades:,} trades, "
            f"{fees.pnl:+,.2f}"
        )
    else:
        yield f"  at the venue's fees, {fees.venue:.2%} a side: the same"


def _swept(trained: Trained) -> Iterator[str]:
    if trained.swept is None:
        return
    yield f"\nswept {len(trained.swept.members)} sets of numbers before the test (log-loss, after costs):"
    for place, one in enumerate(trained.swept.members):
        learner = one.learner
        mark = "  chosen" if place == trained.swept.best else ""
        numbers = f"depth {learner.depth}, eta {learner.eta:g}, min_child_weight {learner.min_child_weight:g}"
        yield f"  {numbers}: {one.log_loss:.5f}, {one.pnl:+,.2f}{mark}"


def _failed(trained: Trained) -> Iterator[str]:
    if trained.passport.failing:
        yield "\nwhat keeps it from trading:"
    for sentence in trained.passport.failing:
        yield f"  - {sentence}"


def _left_out(trained: Trained, notes: Mapping[str, str]) -> Iterator[str]:
    empty = {one.symbol: "no row of its bars is known" for one in trained.data.left_out if not one.rows}
    for why in sorted({*notes.values(), *empty.values()}):
        symbols = [symbol for symbol, said in {**notes, **empty}.items() if said == why]
        more = f" and {len(symbols) - 8} more" if len(symbols) > 8 else ""
        yield f"left out, {why}: {', '.join(symbols[:8])}{more}"


def _plain(value: Any) -> Any:
    """Dataclasses, arrays and times as JSON can hold them."""
    from dataclasses import fields, is_dataclass
    from datetime import datetime

    from pydantic import BaseModel

    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        return value.item()
    return value.isoformat() if isinstance(value, datetime) else value
