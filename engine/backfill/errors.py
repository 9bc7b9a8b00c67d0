"""What ends a backfill, as one sentence a person can act on."""

from __future__ import annotations


class BackfillError(Exception):
    """A backfill that cannot begin or go on; what is finished stays, and the same command goes on from there."""
