"""Where a store is kept: SQLite for entries and records, a mapped file for vectors, a lock for the one writer."""
