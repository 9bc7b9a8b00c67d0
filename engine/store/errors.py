"""What can be wrong with the store, each as one sentence a person can act on."""

from __future__ import annotations


class StoreError(Exception):
    """Anything wrong with the database, the data folder or their locks."""


class DatabaseAddressError(StoreError):
    """`DATABASE_URL` cannot be used. Never carries the address itself: it holds a password."""


class DatabaseDown(StoreError):
    """The database does not answer now; the desk trades on and writes later."""


class EmbeddedError(StoreError):
    """The embedded PostgreSQL cannot be set up or started here."""


class FolderInUse(StoreError):
    """Another process works on this data folder (or with this Slack app token); the sentence names it."""


class LeaseHeld(StoreError):
    """Another desk works on this database; the sentence names it."""


class LeaseLost(StoreError):
    """Another desk took this database over: nothing more may be written or ordered."""


class ProjectionStuck(StoreError):
    """One ledger row cannot be written; the sentence names the row."""
