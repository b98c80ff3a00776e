"""Counting tokens, with tiktoken and without a network."""

from optiflow.tokens.counting import count_tokens, count_tokens_async
from optiflow.tokens.encodings import use_shipped_rank_files
from optiflow.tokens.tokenizer_cache import CacheStatistics, CountCache, TokenizerCache

__all__ = [
    "CacheStatistics",
    "CountCache",
    "TokenizerCache",
    "count_tokens",
    "count_tokens_async",
    "use_shipped_rank_files",
]
