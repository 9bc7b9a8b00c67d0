"""Numbers inside the sentences of the gate: the minus sign and the space before % as everywhere on the desk."""

from __future__ import annotations

from datetime import timedelta


def percent(fraction: float, digits: int = 1, *, signed: bool = False) -> str:
    """`57.8 %`, and `+0.4 %` when `signed`."""
    return f"{fraction * 100:{'+' if signed else ''}.{digits}f} %".replace("-", "−")


def span(time: timedelta) -> str:
    """`36 h`, or from two days on `805 days`."""
    hours = time.total_seconds() / 3600
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:,.0f} days"


def points(fraction: float) -> str:
    """A difference of two shares in percentage points: `+1.2`."""
    return f"{fraction * 100:+.1f}".replace("-", "−")
