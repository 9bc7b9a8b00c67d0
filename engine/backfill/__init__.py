"""History into the store: fetched in pieces, checked, kept, looked through, reported."""
