"""Entries are sealed."""

from __future__ import annotations

import pytest

from optiflow.caching.entry import sealed, unsealed


def test_what_was_sealed_opens_under_its_key_alone() -> None:
    """An entry that lies under another key is not its."""
    entry = sealed(b"payload", "key")
    assert unsealed(entry, "key") == b"payload"
    assert unsealed(entry, "other") is None


@pytest.mark.parametrize("at", range(0, 27, 3))
def test_any_damage_is_noticed(at: int) -> None:
    """In header, checksum or payload."""
    entry = bytearray(sealed(b"payload", "key"))
    entry[at] ^= 1
    assert unsealed(bytes(entry), "key") is None


@pytest.mark.parametrize("entry", [b"", b"OFC1", b"garbage", sealed(b"payload", "key")[:-1], b"OFC2" + bytes(30)])
def test_foreign_bytes_do_not_open(entry: bytes) -> None:
    """Nor do pieces of entries."""
    assert unsealed(entry, "key") is None
