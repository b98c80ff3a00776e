"""A TLS server on the loopback interface that answers as providers of models do, and notes what it is asked."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["Asked", "Certificates", "TlsServer", "make_certificates", "serve"]

_OPENAI = {
    "id": "c1",
    "object": "chat.completion",
    "created": 0,
    "model": "gpt-4o",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
_ANTHROPIC = {
    "id": "m1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files of a certificate authority of one's own."""

    authority: Path
    """The authority alone."""

    bundle: Path
    """The authority, after all of certifi's: as long to read as those of a real program."""

    server: Path
    """Certificate and key for ``localhost`` and 127.0.0.1."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    connection: int
    """Number of the connection that it came on, in the order of their handshakes."""

    path: str
    headers: dict[str, str]
    """Headers, by lower-case name."""

    at: float
    """When, on the system's monotonic clock."""


@dataclass
class TlsServer:
    """What the server is and saw."""

    url: str
    requests: list[Asked] = field(default_factory=list)
    connections: int = 0
    """Handshakes that succeeded."""

    proceed: threading.Event = field(default_factory=threading.Event)
    """What ``/wait`` waits for."""

    open: set[ssl.SSLSocket] = field(default_factory=set)
    """Connections that are open."""

    lock: threading.Lock = field(default_factory=threading.Lock)


def make_certificates(folder: Path) -> Certificates:
    """Make an authority and a server's certificate.

    Args:
        folder: Where the files go.
    """
    authority_key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Loopback authority")])
    authority = (
        _certificate(name, name, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    server_key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    server = (
        _certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), name, server_key)
        .add_extension(names, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    files = Certificates(folder / "authority.pem", folder / "bundle.pem", folder / "server.pem")
    pem = serialization.Encoding.PEM
    files.authority.write_bytes(authority.public_bytes(pem))
    files.bundle.write_bytes(Path(certifi.where()).read_bytes() + b"\n" + authority.public_bytes(pem))
    key = server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    files.server.write_bytes(key + server.public_bytes(pem))
    return files


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
    )


@contextmanager
def serve(certificates: Certificates) -> Iterator[TlsServer]:
    """Serve until the block ends.

    Args:
        certificates: From `make_certificates`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server)
    seen = TlsServer("")

    class Handler(_Handler):
        server_seen = seen

    class Server(ThreadingHTTPServer):
        daemon_threads = False
        request_queue_size = 128

        def finish_request(self, request: Any, client_address: Any) -> None:
            try:
                with context.wrap_socket(request, server_side=True) as connection:
                    super().finish_request(connection, client_address)
            except OSError:
                return  # a client that does not trust us, or that has gone

        def shutdown_request(self, request: Any) -> None:
            self.close_request(request)

    with Server(("127.0.0.1", 0), Handler) as server:
        seen.url = f"https://localhost:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield seen
        finally:
            seen.proceed.set()
            server.shutdown()
            thread.join()
            with seen.lock:
                for connection in seen.open:
                    # Wakes the thread that waits for the next request.
                    with suppress(OSError):  # its client may have been quicker
                        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_seen: TlsServer

    def setup(self) -> None:
        super().setup()
        with self.server_seen.lock:
            self.number = self.server_seen.connections
            self.server_seen.connections += 1
            self.server_seen.open.add(self.connection)

    def finish(self) -> None:
        with self.server_seen.lock:
            self.server_seen.open.discard(self.connection)
        super().finish()

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.number, self.path, headers, time.monotonic())
        with self.server_seen.lock:
            self.server_seen.requests.append(asked)
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/wait":
            self.server_seen.proceed.wait()
        if self.path == "/redirect":
            self._answer({}, 302, ("location", "/here"))
        elif self.path == "/close":
            self.close_connection = True
            self._answer({}, 200, ("connection", "close"))
        elif self.path == "/cookie":
            self._answer({}, 200, ("set-cookie", "user=one"))
        elif self.path.endswith("/chat/completions"):
            self._answer(_OPENAI)
        elif self.path.endswith("/messages"):
            self._answer(_ANTHROPIC)
        else:
            self._answer({"connection": self.number, "headers": headers})

    do_POST = do_GET  # noqa: N815

    def _answer(self, answer: object, status: int = 200, *headers: tuple[str, str]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
