"""Arms have parts of a place of their own."""

from __future__ import annotations

from optiflow.caching.backends.base import Limits
from optiflow.caching.backends.memory import MemoryBackend
from optiflow.caching.backends.partition import Partition
from optiflow.caching.backends.resilient import Resilient


def test_parts_do_not_see_each_other() -> None:
    """The same key in two parts is two entries."""
    store = Resilient(MemoryBackend(Limits()))
    one, other = Partition(store, "one"), Partition(store, "other")
    one.put("n", "k", b"one")
    assert (one.get("n", "k"), other.get("n", "k"), store.get("n", "k")) == (b"one", None, None)
    assert Partition(store, "one").get("n", "k") == b"one"
    assert one.in_process
