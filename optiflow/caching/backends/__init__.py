"""Where cached outcomes are kept: memory, SQLite, PostgreSQL, Redis, behind one small interface."""
