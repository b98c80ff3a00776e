"""Checkpointers by address: in memory, in an SQLite file, in PostgreSQL or in Redis; for sync and async runs alike."""

from optiflow.checkpointers.opening import open_checkpointer

__all__ = ["open_checkpointer"]
