"""What is kept of one outcome: sealed, so that what was damaged or never ours is noticed."""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["sealed", "unsealed"]

_HEADER = b"OFC1"
"""Format of the entries; another one is foreign."""
_CHECK = 16


def sealed(payload: bytes, key: str) -> bytes:
    """The payload behind header and checksum, good for this key alone."""
    return _HEADER + _check(payload, key) + payload


def unsealed(entry: bytes, key: str) -> bytes | None:
    """The payload, or None where the entry is foreign, damaged, or another key's."""
    start = len(_HEADER) + _CHECK
    payload = entry[start:]
    whole = entry[: len(_HEADER)] == _HEADER and entry[len(_HEADER) : start] == _check(payload, key)
    return payload if whole else None


def _check(payload: bytes, key: str) -> bytes:
    return blake2b(payload, digest_size=_CHECK, key=key.encode()[:64]).digest()
