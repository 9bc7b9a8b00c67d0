"""History into the store: fetched in pieces, checked, kept, looked through, reported."""

from engine.backfill.errors import BackfillError
from engine.backfill.job import WRITERS, Backfill
from engine.backfill.progress import Progress
from engine.backfill.report import Report
from engine.backfill.running import opened, prepared_job
from engine.backfill.table import table
from engine.backfill.wanted import Wanted, in_dates_of, wanted
from engine.market.histories import SOURCES, history_named
from engine.market.massive_access import MassiveAccess
from engine.store.bars import INTERVALS

__all__ = [
    "INTERVALS",
    "SOURCES",
    "WRITERS",
    "Backfill",
    "BackfillError",
    "MassiveAccess",
    "Progress",
    "Report",
    "Wanted",
    "history_named",
    "in_dates_of",
    "opened",
    "prepared_job",
    "table",
    "wanted",
]
