"""``optiflow cache stats|clear``: what is kept from run to run, and how to be rid of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from optiflow.cli.words import options_and_rest
from optiflow.errors import ConfigurationError, nearest_name

__all__ = ["USAGE", "main"]

USAGE = """usage: python -m optiflow cache stats [--url URL]
       python -m optiflow cache clear [--url URL] [--namespace NAME]

  URL is sqlite:///FILE, redis://… or postgresql://…; by default cache.sqlite in OPTIFLOW_HOME.
  What a cache in memory holds ends with its process."""

_ACTIONS = {"stats": ("--url",), "clear": ("--url", "--namespace")}


def main(argv: Sequence[str]) -> int:
    """Show or empty a cache that outlives its process.

    Args:
        argv: ``stats`` or ``clear``, and options.

    Returns:
        0.

    Raises:
        ConfigurationError: An unknown action or option, or nobody answers at the address.
        StoreError: The cache can't be read or written.
    """
    action = argv[0] if argv else ""
    if action not in _ACTIONS:
        raise ConfigurationError(f"cache {action!r}: no such action; {nearest_name(action, _ACTIONS)}")
    known = dict.fromkeys(_ACTIONS[action], "")
    options, rest = options_and_rest(argv[1:], known, command=f"cache {action}", usage=USAGE)
    if rest:
        raise ConfigurationError(f"cache {action}: {rest[0]!r} is no option; {USAGE}")

    from optiflow.caching.backends.base import Limits, default_url, kind_of, open_backend

    url = options["--url"] or default_url()
    if kind_of(url) == "sqlite" and not Path(url.partition(":///")[2]).is_file():
        # Looking at a cache does not make one.
        raise ConfigurationError(f"cache: {url} is not there; a run with opt.cache.backend=sqlite makes it")
    with closing(open_backend(kind_of(url), url, Limits())) as backend:
        if action == "clear":
            gone = backend.clear(options["--namespace"] or None)
            print(f"{gone} {'entry' if gone == 1 else 'entries'} forgotten")
            return 0
        held = backend.statistics()
    print(f"{'namespace':<40} {'entries':>8} {'bytes':>12} {'hits':>8} {'oldest':>10}")
    for each in held:
        print(f"{each.namespace:<40} {each.entries:>8} {each.bytes:>12} {each.hits:>8} {_age(each.oldest_s):>10}")
    entries, size, hits = (sum(getattr(each, name) for each in held) for name in ("entries", "bytes", "hits"))
    oldest = max((each.oldest_s for each in held), default=None)
    print(f"{'all':<40} {entries:>8} {size:>12} {hits:>8} {'-' if oldest is None else _age(oldest):>10}")
    return 0


def _age(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
