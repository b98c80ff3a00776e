"""The main job against a real provider's client, with a provider on this machine that does as it is told."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from optiflow.record.store import RecordStore

pytest.importorskip("langchain_openai", reason="needs the extra 'providers'")

Answer = Callable[["_Handler", int], None]


class _Handler(BaseHTTPRequestHandler):
    server: _Provider

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests += 1
        self.server.answer(self, self.server.requests)

    def reply(self, status: int, body: object) -> None:
        """Answer with JSON, or with text as it is."""
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing on standard error."""


class _Provider(ThreadingHTTPServer):
    """Speaks OpenAI's protocol on a free port of the loopback interface."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: Answer = _says("A note.")
        self.requests = 0
        self.over = threading.Event()

    @property
    def arguments(self) -> list[str]:
        """What makes a run ask this provider."""
        address = f"http://127.0.0.1:{self.server_address[1]}/v1"
        return ["model=openai", "clock=real", f"model.base_url={address}", "model.max_retries=0"]


def _says(text: str | None) -> Answer:
    return lambda handler, _: handler.reply(200, _body(text))


def _body(text: str | None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "gpt-4o-mini",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107},
    }


def _fails(status: int, message: str = "told to fail") -> Answer:
    return lambda handler, _: handler.reply(status, {"error": {"message": message, "type": "test"}})


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Provider]:
    """A provider that answers until the test is over."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdefghij")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with _Provider() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


def test_a_provider_that_answers(optiflow: Any, tiny: list[str], provider: _Provider, store: RecordStore) -> None:
    """Its tokens are counted as it reports them, in real time, and its key is nowhere on record."""
    code, out, err = optiflow(*tiny, *provider.arguments)
    assert (code, err) == (0, "")
    assert "real clock" in out
    (record,) = store.newest(9)
    assert provider.requests == len(record.model_calls) == 2
    assert record.tokens is not None
    assert (record.tokens.prompt, record.tokens.completion) == (200, 14)
    assert record.output is not None
    assert record.output.text == "A note."
    assert "sk-test" not in record.model_dump_json()


def test_a_provider_that_caches_prompts(
    optiflow: Any, tiny: list[str], provider: _Provider, store: RecordStore
) -> None:
    """What it had is on record, costs less, and is shown; a run that it has nothing for uses more at their price."""
    pytest.importorskip("genai_prices", reason="needs the extra 'providers'")
    had = 80

    def answer(handler: _Handler, _: int) -> None:
        usage = {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}
        usage["prompt_tokens_details"] = {"cached_tokens": had}
        handler.reply(200, {**_body("A note."), "usage": usage})

    provider.answer = answer
    code, out, _ = optiflow(*tiny, *provider.arguments)
    (baseline,) = store.newest(9)
    assert code == 0
    assert "read from the provider's cache" in out
    assert baseline.tokens is not None
    assert baseline.tokens.cache_read == 160
    # gpt-4o-mini reads its cache at half the price.
    assert baseline.tokens.priced == pytest.approx(214 - 80)
    had = 0
    code, out, _ = optiflow(*tiny, *provider.arguments, "+opt=cache", "criteria=relative", "report=json")
    (judged,) = (each for each in json.loads(out)["criteria"] if each["name"] == "tokens over baseline")
    assert code == 3
    assert (judged["passed"], judged["note"]) == (False, "cached tokens at their price")
    assert judged["value"] == pytest.approx(214 / 134)
    run = store.newest(1)[0]
    assert run.cost_usd is not None
    assert baseline.cost_usd is not None
    assert run.cost_usd > baseline.cost_usd


@pytest.mark.parametrize(
    ("answer", "requests", "message"),
    [
        (_fails(500), 2, "Error code: 500 - "),
        (_fails(401, "no such key"), 1, "Error code: 401 - "),
        (_fails(404, "no such model"), 1, "Error code: 404 - "),
        (_says(""), 2, "returned an empty answer"),
        (_says(None), 2, "returned an empty answer"),
        (lambda handler, _: handler.reply(200, "no JSON"), 2, "failed: "),
    ],
    ids=["fails", "refuses the key", "unknown model", "says nothing", "no content", "talks nonsense"],
)
def test_a_provider_that_does_not(
    optiflow: Any,
    tiny: list[str],
    provider: _Provider,
    store: RecordStore,
    answer: Answer,
    requests: int,
    message: str,
) -> None:
    """One line that names node and model, a record marked failed, and no retry of what was refused."""
    provider.answer = answer
    code, out, err = optiflow(*tiny, *provider.arguments)
    assert (code, out) == (1, "")
    assert err.startswith("optiflow: node 'reader': model 'gpt-4o-mini' ")
    assert message in err
    assert err.count("\n") == 1
    assert provider.requests == requests
    (record,) = store.newest(9)
    assert record.status == "failed"
    assert record.error is not None
    assert (record.error.type, record.error.where) == ("ProviderError", "reader")
    assert "sk-test" not in record.model_dump_json()


def test_a_provider_that_times_out(optiflow: Any, tiny: list[str], provider: _Provider) -> None:
    """It is waited for as long as configured."""
    provider.answer = lambda handler, _: provider.over.wait(30) and None
    code, _, err = optiflow(*tiny, *provider.arguments, "model.timeout_s=0.2")
    assert code == 1
    assert err.startswith("optiflow: node 'reader': model 'gpt-4o-mini' failed: ")
    assert "timed out" in err


def test_no_network(optiflow: Any, tiny: list[str], provider: _Provider) -> None:
    """Nobody listens at the address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    code, _, err = optiflow(*tiny, *provider.arguments, f"model.base_url=http://127.0.0.1:{closed}/v1")
    assert code == 1
    assert err.startswith("optiflow: node 'reader': model 'gpt-4o-mini' failed: ")
    assert "Connection error" in err


def test_a_failure_that_passes(optiflow: Any, tiny: list[str], provider: _Provider, store: RecordStore) -> None:
    """The node's retry policy asks once more, the run goes well, and both attempts are on record."""
    provider.answer = lambda handler, count: (_fails(503) if count == 1 else _says("A note."))(handler, count)
    code, out, _ = optiflow(*tiny[:3], "criteria=relative", *provider.arguments)
    assert code == 0, out
    (record,) = store.newest(9)
    assert [call.error is None for call in record.model_calls] == [False, True, True]


def test_the_node_that_failed_last_is_named(
    optiflow: Any, tiny: list[str], provider: _Provider, store: RecordStore
) -> None:
    """A node that failed before and went well when it was repeated is not the culprit."""
    provider.answer = lambda handler, count: (_says("A note.") if count == 2 else _fails(503))(handler, count)
    code, _, err = optiflow(*tiny, *provider.arguments)
    assert code == 1
    assert err.startswith("optiflow: node 'editor': ")
    error = store.newest()[0].error
    assert error is not None
    assert error.where == "editor"
