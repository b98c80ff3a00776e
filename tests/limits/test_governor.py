"""Who is held to the gates: requests of models that a run sends through httpx or httpx2."""

from __future__ import annotations

import asyncio
import gc
import pickle
import sys
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import httpx
import httpx2
import pytest

from optiflow.limits import governor
from optiflow.limits.bells import ThreadBell
from optiflow.limits.governor import Gates, govern, shared_gates
from optiflow.limits.model_request import GateKey, ModelRequest
from optiflow.limits.settings import LimitSettings
from optiflow.limits.tally import Tally
from optiflow.limits.ticket import Ticket

Provider = Callable[..., tuple[Any, str]]
MakeSettings = Callable[..., LimitSettings]


def body(prompt: str = "hello", **more: Any) -> dict[str, Any]:
    """What a provider is asked."""
    return {"model": "m", "messages": [{"role": "user", "content": prompt}], **more}


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_a_refusal_is_sent_again(model_provider: Provider, settings: MakeSettings, library: Any) -> None:
    """The application never sees it, with either library, from a thread."""
    server, url = model_provider(faults=("refuse", "overload"), retry_after="milliseconds", retry_after_s=0.01)
    with library.Client() as client, govern(Gates(settings())) as tally:
        assert client.post(f"{url}/v1/chat/completions", json=body()).status_code == 200
    seen = tally.statistics()
    assert (seen["requests"], seen["refused"], seen["resent"], seen["given_up"]) == (3, 2, 2, 0)
    assert float(seen["limited_s"]) > 0.01
    assert server.seen.requests == 3


@pytest.mark.parametrize("library", [httpx, httpx2])
async def test_a_refusal_is_sent_again_from_a_loop(
    model_provider: Provider, settings: MakeSettings, library: Any
) -> None:
    """As from a thread."""
    _, url = model_provider(faults=("refuse",), retry_after="seconds", retry_after_s=0.01)
    async with library.AsyncClient() as client:
        with govern(Gates(settings())) as tally:
            assert (await client.post(f"{url}/v1/chat/completions", json=body())).status_code == 200
    assert tally.statistics()["resent"] == 1


def test_nobody_else_is_touched(model_provider: Provider, settings: MakeSettings) -> None:
    """Requests outside of runs, and those that are no calls of a model, see a refusal; afterwards all is as before."""
    plain = [vars(library.Client)["send"] for library in (httpx, httpx2)]
    _, url = model_provider(last_fault="refuse", retry_after="milliseconds", retry_after_s=0.01)
    outside = copy_context()
    with httpx.Client() as client, govern(Gates(settings(max_wait_s=0.001))) as tally:
        assert client.post(url, json={"model": "Tesla"}).status_code == 429
        assert outside.run(client.post, url, json=body()).status_code == 429
        assert tally.statistics()["requests"] == 0
        assert client.post(url, json=body()).status_code == 429
        assert tally.statistics()["given_up"] == 1
        assert plain[0] in (vars(httpx.Client)["send"].__wrapped__, vars(httpx.Client)["send"])
    assert [vars(library.Client)["send"] for library in (httpx, httpx2)] == plain


async def test_others_in_a_loop_are_not_touched(model_provider: Provider, settings: MakeSettings) -> None:
    """As for threads."""
    _, url = model_provider(last_fault="refuse")
    async with httpx2.AsyncClient() as client:
        with govern(Gates(settings())) as tally:
            assert (await client.post(url, json={"model": "Tesla"})).status_code == 429
    assert tally.statistics()["requests"] == 0


@pytest.mark.parametrize("other_last", [True, False])
def test_others_who_wrap_sending(model_provider: Provider, settings: MakeSettings, other_last: bool) -> None:
    """Whoever else patches `send` is passed once for each attempt or once for all, and gates hold once."""
    _, url = model_provider(faults=("refuse",), retry_after="milliseconds", retry_after_s=0.01)
    plain = httpx.Client.send
    passed = []

    def other(self: Any, request: Any, **options: Any) -> Any:
        passed.append(request)
        return wrapped(self, request, **options)

    gates = Gates(settings())
    with httpx.Client() as client:
        if other_last:
            with govern(gates) as tally:
                wrapped, httpx.Client.send = httpx.Client.send, other  # type: ignore[method-assign]
                client.post(url, json=body())
        else:
            wrapped, httpx.Client.send = plain, other  # type: ignore[method-assign]
            with govern(gates) as tally:
                client.post(url, json=body())
        with govern(gates) as again:
            client.post(url, json=body())
        httpx.Client.send = plain  # type: ignore[method-assign]
    assert (tally.statistics()["requests"], again.statistics()["requests"]) == (2, 1)
    assert len(passed) == (2 if other_last else 3)


def test_what_is_not_loaded_yet_is_loaded(settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider's package may be imported as late as in a node; a library that is not installed is no error."""
    monkeypatch.delitem(sys.modules, "httpx2")
    monkeypatch.setattr(governor, "LIBRARIES", ("httpx", "httpx2", "httpx9"))
    with govern(Gates(settings())):
        assert "httpx2" in sys.modules


def test_threads_and_loops_share_a_gate(model_provider: Provider, settings: MakeSettings) -> None:
    """Never more in flight than allowed, whoever sends; each gets its own answer."""
    server, url = model_provider()
    answers: list[str] = []

    def text(response: Any) -> str:
        return str(response.json()["choices"][0]["message"]["content"])

    def from_a_thread(nth: int) -> None:
        with httpx.Client() as client:
            answers.extend(text(client.post(url, json=body(f"t{nth}-{each}"))) for each in range(4))

    async def from_a_loop(nth: int) -> None:
        async with httpx2.AsyncClient() as client:
            got = await asyncio.gather(*(client.post(url, json=body(f"l{nth}-{each}")) for each in range(4)))
            answers.extend(map(text, got))

    with govern(Gates(settings(max_concurrency=3))) as tally:
        work = [lambda nth=nth: from_a_thread(nth) for nth in range(3)]
        work += [lambda nth=nth: asyncio.run(from_a_loop(nth)) for nth in range(3)]
        threads = [threading.Thread(target=copy_context().run, args=(each,)) for each in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert sorted(answers) == sorted(
        f"answer to {kind}{nth}-{each}" for kind in "tl" for nth in range(3) for each in range(4)
    )
    assert server.seen.peak_in_flight <= 3
    assert tally.statistics()["peak_in_flight"] == 3


async def test_who_is_cancelled_gives_up_its_place(model_provider: Provider, settings: MakeSettings) -> None:
    """Whether it waits or is in flight, and whatever comes of it: the others get through."""
    server, url = model_provider(faults=("stall",))
    gates = Gates(settings(max_concurrency=1))
    async with httpx2.AsyncClient() as client:
        with govern(gates) as tally:
            stalled, waiting, last = (asyncio.ensure_future(client.post(url, json=body(str(n)))) for n in range(3))
            while not server.seen.requests:
                await asyncio.sleep(0.001)
            waiting.cancel()
            stalled.cancel()
            assert (await last).status_code == 200
            await asyncio.gather(stalled, waiting, return_exceptions=True)
    assert server.seen.prompts == ["2"]
    assert tally.statistics()["requests"] == 2
    (gate,) = gates._gates.values()
    assert gate.idle


@pytest.mark.parametrize("fault", ["reset", "error"])
async def test_failures_are_the_applications(model_provider: Provider, settings: MakeSettings, fault: str) -> None:
    """A connection that is reset, and a server's error, come through, and leave no place taken."""
    _, url = model_provider(faults=(fault,))
    gates = Gates(settings(max_concurrency=1))
    async with httpx2.AsyncClient() as client:
        with govern(gates):
            if fault == "reset":
                with pytest.raises(httpx2.TransportError):
                    await client.post(url, json=body())
            else:
                assert (await client.post(url, json=body())).status_code == 500
            assert (await client.post(url, json=body())).status_code == 200


def test_waiting_is_not_part_of_the_timeout(model_provider: Provider, settings: MakeSettings) -> None:
    """A request times out by what the provider takes, not by the time it was held back."""
    _, url = model_provider(faults=("refuse",), retry_after="milliseconds", retry_after_s=0.8, mean_s=0.001)
    with httpx2.Client(timeout=0.4) as client, govern(Gates(settings())):
        assert client.post(url, json=body()).status_code == 200


@pytest.mark.parametrize("how", ["read", "close", "forget"])
def test_a_streamed_answer_holds_its_place(model_provider: Provider, settings: MakeSettings, how: str) -> None:
    """Until it has been read, closed or forgotten; a refusal before it is sent again like any other."""
    _, url = model_provider(faults=("refuse",), retry_after="milliseconds", retry_after_s=0.01)
    gates = Gates(settings(max_concurrency=1))
    with httpx.Client() as client, govern(gates):
        response = client.send(client.build_request("POST", url, json=body(stream=True)), stream=True)
        (gate,) = gates._gates.values()
        assert not gate.idle
        if how == "read":
            assert b"answer" in response.read()
            assert pickle.loads(pickle.dumps(response)).status_code == 200
        elif how == "close":
            response.close()
            response.close()
        else:
            response.stream.close()
            del response
            gc.collect()
        assert gate.idle
        assert client.post(url, json=body()).status_code == 200


async def test_a_streamed_answer_in_a_loop(model_provider: Provider, settings: MakeSettings) -> None:
    """As in a thread; a refusal that is passed on can be read as ever."""
    _, url = model_provider(faults=("", "quota"))
    gates = Gates(settings())
    async with httpx2.AsyncClient() as client:
        with govern(gates):
            async with client.stream("POST", url, json=body(stream=True)) as response:
                (gate,) = gates._gates.values()
                assert not gate.idle
                assert [line async for line in response.aiter_lines() if line][-1] == "data: [DONE]"
            assert gate.idle
            async with client.stream("POST", url, json=body(stream=True)) as response:
                assert response.status_code == 429
                assert b"insufficient_quota" in await response.aread()


def test_asking_while_an_answer_is_read(
    model_provider: Provider, settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One place, held by an answer whose reader asks another: neither waits for ever."""
    monkeypatch.setattr("optiflow.limits.gate.STREAM_PATIENCE_S", 0.05)
    _, url = model_provider()
    with (
        httpx.Client() as client,
        govern(Gates(settings(max_concurrency=1))),
        client.stream("POST", url, json=body(stream=True)) as response,
    ):
        assert client.post(url, json=body()).status_code == 200
        assert b"answer" in response.read()


def test_gates_are_shared_and_bounded(settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs with equal settings share gates; of many accounts' gates the longest unused go, but none in use."""
    assert shared_gates(settings()) is shared_gates(settings())
    assert shared_gates(settings()) is not shared_gates(settings(max_wait_s=9))
    monkeypatch.setattr(governor, "MOST_GATES", 2)
    gates = Gates(settings())
    keys = [GateKey("host", model, b"") for model in "abc"]
    first, second, _ = map(gates.of, keys)
    assert gates.of(keys[1]) is second
    assert gates.of(keys[0]) is not first
    used = gates.of(keys[0])
    call = ModelRequest(keys[0], 1, is_retry=False, repeatable=True)
    used.enter(Ticket(call, ThreadBell(), Tally()))
    for model in "defg":
        gates.of(GateKey("host", model, b""))
    assert gates.of(keys[0]) is used
