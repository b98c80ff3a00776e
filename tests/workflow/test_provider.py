"""A real provider's client, langchain-openai, against a server on the loopback interface."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from optiflow.clock import RealClock
from optiflow.config.model import ModelConfig
from optiflow.config.workflow import DeclaredWorkflowConfig
from optiflow.errors import ProviderError
from optiflow.log import level_filter
from optiflow.models import load_chat_model
from optiflow.workflow import load_workflow

pytest.importorskip("langchain_openai", reason="needs the extra 'providers'")

Declare = Callable[..., DeclaredWorkflowConfig]
Reply = tuple[int, str | None]


class Server(ThreadingHTTPServer):
    """Answers with a list of replies, the last one again and again; None: it never answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies: list[Reply] = []
        self.requests: list[dict[str, Any]] = []
        self.closing = threading.Event()


class Handler(BaseHTTPRequestHandler):
    """Speaks as much of the protocol as the client needs."""

    server: Server

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.server.requests.append(json.loads(self.rfile.read(length)))
        replies = self.server.replies
        status, content = replies.pop(0) if len(replies) > 1 else replies[0]
        if content is None:
            self.server.closing.wait(10)
            return
        message = {"role": "assistant", "content": content}
        body: dict[str, Any] = {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": "tiny-1",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
        }
        if status != 200:
            body = {"error": {"message": content, "type": "server_error"}}
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Nothing: a test's output is its own."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A provider that is really there."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def ask(declaration: Declare, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs a workflow of one node with one prompt; returns the answer."""
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-key")

    def run(port: int, attempts: int = 3, **settings: Any) -> str:
        node = {
            "name": "asker",
            "kind": "prompts",
            "prompts": [{"instruction": "Say something.", "reads": [], "writes": "said"}],
            "retry": {"max_attempts": attempts, "initial_interval_s": 0.01},
        }
        config = declaration(nodes=[node], output="said")
        model_config = ModelConfig(
            provider="openai",
            name="tiny-1",
            base_url=f"http://127.0.0.1:{port}/v1",
            **{"max_retries": 0, "timeout_s": 5, **settings},
        )
        clock = RealClock()
        workflow = load_workflow(config, load_chat_model(model_config, clock), model_config)
        with level_filter("ERROR"):
            return str(clock.run(workflow.builder.compile().ainvoke(dict(workflow.input)))["said"])

    return run


def test_an_answer_comes_through(server: Server, ask: Callable[..., Any]) -> None:
    """The prompt goes out with the configured settings, the answer comes back."""
    server.replies = [(200, "Something.")]
    assert ask(server.server_port, seed=7) == "Something."
    (request,) = server.requests
    assert (request["model"], request["temperature"], request["seed"]) == ("tiny-1", 0.0, 7)
    assert request["messages"] == [{"role": "user", "content": "Say something."}]


def test_failures_that_pass_are_survived(server: Server, ask: Callable[..., Any]) -> None:
    """Two errors of the server, and an answer to the node's third attempt."""
    server.replies = [(500, "oops"), (503, "busy"), (200, "Something.")]
    assert ask(server.server_port) == "Something."
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("reply", "settings", "message", "requests"),
    [
        ((500, "oops"), {}, r"node 'asker': model 'tiny-1' failed: \w*Error: .*500 - oops", 2),
        ((429, "slow down"), {}, r"model 'tiny-1' failed: \w*RateLimitError: .*slow down", 2),
        ((401, "bad key"), {}, r"model 'tiny-1' failed: \w*AuthenticationError: .*bad key", 1),
        ((404, "no such model"), {}, r"model 'tiny-1' failed: \w*NotFoundError: .*no such model", 1),
        ((200, ""), {}, r"node 'asker': model 'tiny-1' returned an empty answer", 2),
        ((200, None), {"timeout_s": 0.2}, r"node 'asker': model 'tiny-1' failed: \w*Timeout\w*: ", 2),
    ],
)
def test_failures_that_stay_are_named(
    server: Server, ask: Callable[..., Any], reply: Reply, settings: dict[str, Any], message: str, requests: int
) -> None:
    """One line with node, model and reason; what the request itself caused is not tried again."""
    server.replies = [reply]
    with pytest.raises(ProviderError, match=message) as caught:
        ask(server.server_port, attempts=2, **settings)
    assert "\n" not in str(caught.value)
    assert len(server.requests) == requests


def test_the_client_may_retry_before_the_node(server: Server, ask: Callable[..., Any]) -> None:
    """The client's own retries are the model's setting."""
    server.replies = [(500, "oops"), (200, "Something.")]
    assert ask(server.server_port, attempts=1, max_retries=1) == "Something."


def test_no_network_is_a_failure_of_the_provider(ask: Callable[..., Any]) -> None:
    """Nobody listens: one line, after the node's attempts."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(ProviderError, match=r"node 'asker': model 'tiny-1' failed: \w*Connection\w*: "):
            ask(port, attempts=2)
