"""The store's real PostgreSQL, for jobs that write into it."""

from __future__ import annotations

from tests.store.conftest import base, database, migrated, programs, shared_server

__all__ = ["base", "database", "migrated", "programs", "shared_server"]
