"""The page about the sets, made from their tables: `python -m engine.features > docs/features.md`."""

from __future__ import annotations

from engine.features.bar import LONGEST_HOLE, STILL
from engine.features.sets import BUILT_IN, Entry, FeatureSet, find_set
from engine.features.swings import KEPT, SIDE, TOLERANCE

_HEAD = f"""# Feature sets

This page is made from the tables in `engine/features` (`python -m engine.features > docs/features.md`); a test fails
when it is stale.

A set is an ordered table of numbers and one compiled recursion that makes them, bar by bar, for years of history and
for the live minute alike. Each number is made only of bars that have closed.

- **Warm-up** is the first bar, counted from 1, whose value does not depend on where history began (to 1e-9). A row is
  missing until the longest warm-up of its set is over. EMA(n) has a span of n and Wilder's averages one of 2n − 1;
  both need 12 spans, and a ratio of fading averages {STILL} bars more, because a price that stands still keeps them.
- **Missing bars.** Windows and averages count bars; returns count time. Where the bar that a return goes back to is
  missing, that return is missing, and known again a bar later. After a hole of more than {LONGEST_HOLE} intervals
  everything begins anew.
- **Quiet minutes.** Live, a minute without trades is a flat bar of volume 0. Sources that leave such minutes out get
  them back before anything is learnt (`engine/features/quiet.py`), where the gap is known to be quiet.
- **No bar.** A price that is not finite or not above 0, a high below its low, an unknown volume, or a time that does
  not come after the last one's: the row is missing and nothing moves on.
- **A dead price.** Where the close has not moved for {STILL} bars the row is missing.
- **A row with a missing number** is neither learnt from nor predicted on.
- **A source that lacks something** has the set without it, under its own name: `trend52` without trade counts is
  `trend51`; `core6` on hourly bars has no five-minute return and is `core5`.
- **Support and resistance.** A swing low is a bar whose low is below the lows of the {SIDE} bars before it and not
  above those of the {SIDE} bars after it, so it is known {SIDE} bars late. It stands for {KEPT} bars from its own,
  until a close falls below it by more than {TOLERANCE:.1%}. Support is the highest that stands; without one it is the
  lowest low of {KEPT} bars. Resistance is the same of the highs, upside down.
"""


def page() -> str:
    """The whole page, Markdown."""
    return _HEAD + "".join(_section(find_set(name)) for name in BUILT_IN)


def _section(features: FeatureSet) -> str:
    rows = [
        f"| {number} | `{entry.name}` | {entry.formula} | {entry.unit} | {entry.warm_up} | {_read(entry)} |\n"
        for number, entry in enumerate(features.entries, start=1)
    ]
    head = "| | name | formula | unit | warm-up | in words |\n|---|---|---|---|---|---|\n"
    return (
        f"\n## {features.name}\n\n{len(features)} numbers, known from bar {features.warm_up}.\n\n{head}{''.join(rows)}"
    )


def _read(entry: Entry) -> str:
    """How people read it: `price … above support`, or below."""
    return entry.words.replace("{}", "…").replace("|", " or ").replace("[", "").replace("]", "")
