"""Packing as much of a text into a prompt as its budget of tokens allows, the way a first version does it."""

from __future__ import annotations

import re

from optiflow.log import get_logger
from optiflow.tokens import count_tokens_async

__all__ = ["excerpt", "pieces_of"]

_log = get_logger(__name__)

LONGEST_PIECE = 300
"""Characters of the longest piece, so that text without lines or sentences is packed as well."""

# Up to the end of a sentence or a line, or as far as a piece may go, with the blanks behind it.
_PIECE = re.compile(rf"\S(?:.{{0,{LONGEST_PIECE - 2}}}?(?:[.!?](?=\s)|$)|.{{0,{LONGEST_PIECE - 2}}})\s*", re.MULTILINE)


def pieces_of(text: str) -> list[str]:
    """The sentences and lines of a text, each with the blanks behind it; joined they are the text again."""
    return _PIECE.findall(text)


async def excerpt(text: str, tokens: int, model: str) -> str:
    """The beginning of a text, whole sentences or lines, at most ``tokens`` long.

    Each piece is counted anew by everybody who needs an excerpt: that is what the caching toggle is there for. The
    first piece is always kept.

    Args:
        text: The text.
        tokens: The budget.
        model: The model whose tokens are counted.
    """
    pieces = pieces_of(text)
    counts = [await count_tokens_async(piece, model) for piece in pieces]
    kept = used = 0
    for count in counts:
        if kept and used + count > tokens:
            break
        kept += 1
        used += count
    _log.info("excerpt packed", tokens=used, budget=tokens, document_tokens=sum(counts), pieces=kept)
    return "".join(pieces[:kept]).rstrip()
