"""How checkpoints lie in Redis: five keys a thread, so that it is deleted, copied and expires as a whole.

``PREFIX:{THREAD}:`` and

==============  ==========  ==========================================================================
``ids``         sorted set  ``NAMESPACE/ID`` of every checkpoint, in the order of ids
``checkpoints`` hash        ``NAMESPACE/ID``: parent, names of its blobs, metadata, checkpoint
``blobs``       hash        ``NAMESPACE/CHANNEL/VERSION``: the value of a channel, stored once a version
``order``       sorted set  ``NAMESPACE/ID/TASK/INDEX`` of every pending write
``writes``      hash        ``NAMESPACE/ID/TASK/INDEX``: a pending write
==============  ==========  ==========================================================================

All members of a sorted set have the score 0, so Redis orders them by their bytes and finds a range by its prefix.
Every part of a name is percent-encoded and therefore holds none of the separators.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

__all__ = [
    "KEYS",
    "Saved",
    "Typed",
    "flat",
    "name",
    "pack_checkpoint",
    "pack_value",
    "parts",
    "thread_keys",
    "thread_of",
    "threads_pattern",
    "unpack_checkpoint",
    "unpack_value",
]

KEYS = ("ids", "checkpoints", "blobs", "order", "writes")
"""The keys of a thread, in the order in which scripts get them."""

Typed = tuple[str, bytes]
"""A value as LangGraph's serializers give it: the type, and the bytes."""


class Saved(NamedTuple):
    """A checkpoint as it is stored."""

    parent: str | None
    """Id of the checkpoint before it."""

    blobs: Sequence[str]
    """``CHANNEL/VERSION`` of each of its channels."""

    metadata: Typed
    checkpoint: Typed
    """The checkpoint without its channels' values."""

    run_id: str | None
    """The run that made it, where its metadata say so."""

    delta: bool
    """Whether channels are kept as differences, so that it can't be read without those before it."""


def thread_keys(prefix: str, thread_id: object) -> list[str]:
    """The keys of a thread; the braces keep them on one node of a cluster."""
    return [f"{prefix}:{{{_quoted(thread_id)}}}:{key}" for key in KEYS]


def threads_pattern(prefix: str) -> str:
    """What the first key of every thread matches."""
    literal = "".join(f"\\{letter}" if letter in "*?[]\\^-" else letter for letter in prefix)
    return f"{literal}:{{*}}:{KEYS[0]}"


def thread_of(key: bytes, prefix: str) -> str:
    """The thread whose first key this is."""
    return unquote(key.decode()[len(prefix) + 2 : -len(KEYS[0]) - 2])


def name(*values: object) -> str:
    """Several values as one name, which `parts` takes apart."""
    return "/".join(map(_quoted, values))


def parts(joined: bytes) -> list[str]:
    """The values that `name` put together."""
    return [unquote(part) for part in joined.decode().split("/")]


def pack_value(value: Typed, *labels: str) -> bytes:
    """A value with its labels in front, in one line of JSON."""
    return json.dumps([value[0], *labels]).encode() + b"\n" + value[1]


def unpack_value(packed: bytes) -> tuple[Typed, list[str]]:
    """The value and its labels."""
    head, _, data = packed.partition(b"\n")
    kind, *labels = json.loads(head)
    return (kind, data), labels


def pack_checkpoint(saved: Saved) -> bytes:
    """One line with the parent, which scripts cut off; one of JSON, which they read; metadata and checkpoint."""
    header: dict[str, Any] = {
        "blobs": list(saved.blobs),
        "types": [saved.metadata[0], saved.checkpoint[0]],
        "split": len(saved.metadata[1]),
        "run": saved.run_id,
        "delta": saved.delta,
    }
    lines = (_quoted(saved.parent or ""), json.dumps(header), "")
    return "\n".join(lines).encode() + saved.metadata[1] + saved.checkpoint[1]


def unpack_checkpoint(packed: bytes) -> Saved:
    """What `pack_checkpoint` packed."""
    parent, head, data = packed.split(b"\n", 2)
    header = json.loads(head)
    split = header["split"]
    metadata, checkpoint = header["types"]
    return Saved(
        parent=unquote(parent.decode()) or None,
        blobs=header["blobs"],
        metadata=(metadata, data[:split]),
        checkpoint=(checkpoint, data[split:]),
        run_id=header["run"],
        delta=header["delta"],
    )


def _quoted(value: object) -> str:
    return quote(str(value), safe="")


def flat(pairs: Iterable[tuple[Any, Any]]) -> list[Any]:
    """Pairs as the arguments of a Redis command."""
    return [each for pair in pairs for each in pair]
