"""What is kept: the ledger, and history and projections in PostgreSQL."""
