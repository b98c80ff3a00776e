"""Which encoding a model's tokens are in, where its ranks come from, and how long a text is in it."""

from __future__ import annotations

import functools
import hashlib
from importlib import resources
from typing import TYPE_CHECKING

import tiktoken
import tiktoken.load
import tiktoken.model
import tiktoken.registry

from optiflow.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FALLBACK_ENCODING", "encoded_length", "encoding_name", "is_built", "use_shipped_rank_files"]

FALLBACK_ENCODING = "o200k_base"
"""The encoding assumed of a model that tiktoken does not know."""

PIECE_CHARACTERS = 500_000
"""The most that is encoded at once: on a run of about a million blanks tiktoken's regular
expression overflows its stack and panics. Longer texts are cut here, which can change their length by a token
or two a cut."""

_RANK_FILES = {
    "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7": "cl100k_base.tiktoken",
    "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d": "o200k_base.tiktoken",
}
"""The shipped files by the SHA-256 that tiktoken itself demands of them."""

_log = get_logger(__name__)


@functools.cache
def use_shipped_rank_files() -> None:
    """Make tiktoken read its rank files from this package, so that it needs no network; once per process.

    Only the function that fetches a file by address and digest is replaced, and only for files with the
    very digest asked for: whoever uses tiktoken gets what they would have got from the network. Neither the
    environment nor tiktoken's folder of downloads is touched.
    """
    download = tiktoken.load.read_file_cached

    @functools.wraps(download)
    def read_file(blobpath: str, expected_hash: str | None = None) -> bytes:
        shipped = _RANK_FILES.get(expected_hash or "")
        if shipped is not None:
            ranks = resources.files(__package__).joinpath("data", shipped).read_bytes()
            if hashlib.sha256(ranks).hexdigest() == expected_hash:
                return ranks
            _log.warning("shipped rank file is damaged; downloading it", file=shipped)
        return download(blobpath, expected_hash)

    tiktoken.load.read_file_cached = read_file


@functools.lru_cache(maxsize=1024)
def encoding_name(model: str) -> str:
    """The encoding of ``model``; `FALLBACK_ENCODING`, with one warning, if tiktoken does not know it."""
    try:
        return tiktoken.model.encoding_name_for_model(model)
    except KeyError:
        _log.warning("unknown model: counting its tokens approximately", model=model, encoding=FALLBACK_ENCODING)
        return FALLBACK_ENCODING


def is_built(encoding: str) -> bool:
    """Whether the tokenizer of that name exists already; building one takes some 0.3 s."""
    return encoding in tiktoken.registry.ENCODINGS


def encoded_length(encoding: tiktoken.Encoding, text: str) -> int:
    """The number of tokens of ``text``.

    What looks like a special token counts as the plain text it is; a lone surrogate counts as the
    replacement character.
    """
    if len(text) <= PIECE_CHARACTERS:
        return len(encoding.encode_ordinary(text))
    return sum(len(encoding.encode_ordinary(piece)) for piece in _pieces(text))


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), PIECE_CHARACTERS):
        yield text[start : start + PIECE_CHARACTERS]
