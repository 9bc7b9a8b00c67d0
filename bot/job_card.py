"""The message of a long job: a bar for the whole and one for each symbol, then what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.blocks import Block, button
from bot.ids import ActionId

WIDTH = 16
ROWS = 12  # symbols with a bar of their own
LISTED = 5  # findings of a kind that the closing card spells out


def bar(share: float, width: int = WIDTH) -> str:
    """`██████▌░░░` for a share from 0 to 1, never full before it is done."""
    eighths = int(max(0.0, min(1.0, share)) * width * 8)
    full, part = divmod(eighths, 8)
    drawn = "█" * full + (" ▏▎▍▌▋▊▉"[part] if part else "")
    return drawn.strip() + "░" * (width - full - (1 if part else 0))


def job_buttons(values: Mapping[str, Any]) -> list[Block]:
    """Cancel, while there is something to cancel."""
    if values.get("fate") != "running" or values.get("stopping"):
        return []
    return [button("Cancel", ActionId.JOB_CANCEL, values["job"], style="danger")]


def job_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the template needs beside the data: bars, and findings in the order of their weight."""
    progress = values.get("progress") or {}
    parts: Mapping[str, Mapping[str, Any]] = progress.get("symbols", {})
    rows = _shown(parts)
    result = values.get("result") or {}
    return {
        "word": str(values["kind"]).capitalize(),
        "progress": progress,
        "whole": bar(progress.get("share", 0.0)),
        "rows": [(symbol, bar(one["share"]), one["share"], one["rows"]) for symbol, one in rows],
        "width": max((len(symbol) for symbol, _ in rows), default=0),
        "unshown": len(parts) - len(rows),
        "stopping": bool(values.get("stopping")),
        "result": result,
        "findings": _findings(result) if values["kind"] == "backfill" else [],
        "sentence": values.get("sentence", ""),
        "ended_by": values.get("ended_by", ""),
        "took": values.get("took"),
    }


def _shown(parts: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """All symbols while they are few; of many those in work, then those that wait, then those that are done."""
    if len(parts) <= ROWS:
        return list(parts.items())
    return sorted(parts.items(), key=lambda item: (item[1]["share"] >= 1, item[1]["share"] <= 0))[:ROWS]


def _findings(result: Mapping[str, Any]) -> list[str]:
    """The worst of what a backfill found, a line each."""
    found = [f"{symbol} is {why}" for symbol, why in result.get("absent", {}).items()]
    found[LISTED:] = [f"{len(found) - LISTED} more symbols are not carried"] if len(found) > LISTED else []
    found += [f"failed: {why}" for why in list(dict.fromkeys(result.get("failed", {}).values()))[:LISTED]]
    found += [f"{one['code']} ×{one['rows']:,}: {one['first']}" for one in result.get("rejected_rows", [])[:LISTED]]
    found += [
        f"{one['kind']} of {one['symbol']} at {one['at'][:16]}" for one in result.get("outliers", {}).get("first", [])
    ][:LISTED]
    found += [
        f"{one['symbol']} against {one['source']}: median {one['median_bp']:.2f} bp, worst {one['worst_bp']:.1f} bp"
        for one in result.get("differences", [])
    ][:LISTED]
    return found + list(result.get("notes", []))[:LISTED]
