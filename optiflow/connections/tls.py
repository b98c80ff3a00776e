"""TLS settings, built once for equal wishes: reading the certificate authorities takes 20 to 40 ms each time."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Hashable
from functools import lru_cache
from types import ModuleType

__all__ = ["tls_context", "tls_key"]

_building = threading.Lock()

_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


def tls_key(library: ModuleType, *, verify: bool, trust_env: bool, http1: bool, http2: bool) -> Hashable:
    """What makes two clients' TLS settings equal, as of now.

    Args:
        library: ``httpx`` or ``httpx2``, which build theirs differently.
        verify: Whether the server's certificate is checked.
        trust_env: Whether the environment's certificate authorities count.
        http1: Whether HTTP/1.1 is offered in the handshake.
        http2: Whether HTTP/2 is.

    Returns:
        A key that changes with the environment's variables and with the files that the authorities are read from.
    """
    import certifi

    paths = ssl.get_default_verify_paths()
    variables = tuple(os.environ.get(name) for name in _VARIABLES)
    files = (certifi.where(), paths.openssl_cafile, paths.openssl_capath, *variables[:2])
    stamps = tuple(map(_stamp, files))
    # Programs replace the class to use the system's authorities (`truststore.inject_into_ssl`).
    return library.__name__, verify, trust_env, http1, http2, ssl.SSLContext, variables, stamps


def tls_context(library: ModuleType, key: Hashable, *, verify: bool, trust_env: bool) -> ssl.SSLContext:
    """The TLS settings for a key, as the library itself builds them; the same object for equal keys.

    Args:
        library: ``httpx`` or ``httpx2``.
        key: From `tls_key`. It holds what is offered in the handshake too, which connecting sets on the object.
        verify: As in the key.
        trust_env: As in the key.
    """
    with _building:
        return _built(library, key, verify, trust_env)


@lru_cache(maxsize=16)
def _built(library: ModuleType, key: Hashable, verify: bool, trust_env: bool) -> ssl.SSLContext:
    context: ssl.SSLContext = library.create_ssl_context(verify=verify, trust_env=trust_env)
    return context


def _stamp(path: str | None) -> tuple[int, int, int] | None:
    if not path:
        return None
    try:
        seen = os.stat(path)  # noqa: PTH116 - on every client's way, and Path doubles its cost
    except OSError:
        return None
    return seen.st_ino, seen.st_size, seen.st_mtime_ns
