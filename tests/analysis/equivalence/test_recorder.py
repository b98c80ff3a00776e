from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models.fake import FakeListLLM
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import HumanMessage

from optiflow.analysis.equivalence.observation import Effect
from optiflow.analysis.equivalence.recorder import ModelRequestHandler, Recorder, audited, outside_effect


def test_effects_are_kept_in_order_as_they_were() -> None:
    """A later change of the object does not change the record."""
    recorder, detail = Recorder(), ["a"]
    recorder.effect("first", detail)
    detail.append("b")
    recorder.effect("second")
    assert recorder.effects == (Effect("first", ["a"]), Effect("second", None))


def test_equal_requests_have_equal_digests() -> None:
    """The prompt and the settings make the digest, random ids of messages do not."""
    recorder = Recorder()
    for message_id in ("0b7e7e3c-8c1f-4a53-9f0e-6a5f0c6f7e11", "1b7e7e3c-8c1f-4a53-9f0e-6a5f0c6f7e11"):
        recorder.model_request([HumanMessage("hi", id=message_id)], {"temperature": 0}, "node")
    recorder.model_request([HumanMessage("hi")], {"temperature": 1}, "node")
    recorder.model_request([HumanMessage("ho")], {"temperature": 0}, "node")
    digests = [request.digest for request in recorder.model_requests]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
    assert recorder.model_requests[0].prompt == "HumanMessage: hi"


def test_a_long_prompt_shows_its_end() -> None:
    """People see the last 80 characters."""
    recorder = Recorder()
    recorder.model_request("a" * 100 + "end", {})
    recorder.model_request([], {})
    assert recorder.model_requests[0].prompt == "a" * 77 + "end"
    assert recorder.model_requests[1].prompt == ""


def test_the_handler_records_chat_models_and_text_models() -> None:
    """Every request of a batch is one; the node is the one of LangGraph's metadata."""
    recorder = Recorder()
    config = {"callbacks": [ModelRequestHandler(recorder)], "metadata": {"langgraph_node": "ask"}}
    FakeListChatModel(responses=["x"]).invoke("hi", config)  # type: ignore[arg-type]
    FakeListLLM(responses=["x"]).generate(["one", "two"], callbacks=[ModelRequestHandler(recorder)])
    assert [(request.node, request.prompt) for request in recorder.model_requests] == [
        ("ask", "HumanMessage: hi"),
        (None, "one"),
        (None, "two"),
    ]


def test_an_audit_sees_files_and_directories(tmp_path: Path) -> None:
    """What is written, made, renamed and removed is recorded; what is read is not."""
    recorder = Recorder()
    with audited(recorder):
        (tmp_path / "made").mkdir()
        (tmp_path / "file").write_text("x")
        (tmp_path / "file").read_text()
        (tmp_path / "file").rename(tmp_path / "renamed")
        (tmp_path / "renamed").unlink()
        (tmp_path / "made").rmdir()
    assert recorder.effects == (
        Effect("directory made", [str(tmp_path / "made")]),
        Effect("file written", [str(tmp_path / "file")]),
        Effect("file renamed", [str(tmp_path / "file"), str(tmp_path / "renamed")]),
        Effect("file removed", [str(tmp_path / "renamed")]),
        Effect("directory removed", [str(tmp_path / "made")]),
    )


def test_an_audit_sees_connections_and_processes() -> None:
    """The address and the program are recorded."""
    recorder = Recorder()
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        address = str(server.getsockname())
        with audited(recorder), socket.socket() as client:
            client.connect(server.getsockname())
            subprocess.run([sys.executable, "-c", ""], check=True)
    kinds = [(effect.kind, effect.detail) for effect in recorder.effects]
    assert kinds[0] == ("connection opened", [address])
    assert ("process started", [sys.executable]) in kinds


def test_an_audit_holds_only_in_its_context(tmp_path: Path) -> None:
    """Other contexts, and the time after the block, are not recorded; threads with the context are."""
    recorder = Recorder()
    with audited(recorder):
        context = copy_context()
        threads = [
            threading.Thread(target=(tmp_path / "other").mkdir),
            threading.Thread(target=context.run, args=((tmp_path / "same").mkdir,)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    os.mkdir(tmp_path / "later")  # noqa: PTH102 - any way to the event
    assert [effect.detail for effect in recorder.effects] == [[str(tmp_path / "same")]]


@pytest.mark.parametrize(
    ("event", "arguments", "expected"),
    [
        ("open", ("f", "w", os.O_WRONLY | os.O_CREAT), Effect("file written", ["f"])),
        ("open", ("f", "r", os.O_RDONLY), None),
        ("open", ("f", "r", None), None),
        ("os.rename", ("a", "b", -1, -1), Effect("file renamed", ["a", "b"])),
        ("os.system", (b"ls",), Effect("process started", ["b'ls'"])),
        ("socket.connect", ("socket", ("127.0.0.1", 1)), Effect("connection opened", ["('127.0.0.1', 1)"])),
        ("import", ("json", None, [], [], []), None),
    ],
)
def test_audit_events_become_effects(event: str, arguments: tuple[Any, ...], expected: Effect | None) -> None:
    """Acts count, looking does not."""
    assert outside_effect(event, arguments) == expected
