"""Output of early work waits for its turn."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
import threading
from contextvars import copy_context
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler, manager

from optiflow.plan.dataflow.observers import hold_output
from optiflow.plan.dataflow.output import Names, Output
from optiflow.plan.dataflow.seam import NotAheadError


def test_what_is_printed_waits_and_comes_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing before the release, everything after it, once."""
    output = Output()
    with hold_output(output):
        print("a", "b", sep="-")
        print("c", end="!")
        print("to stderr", file=sys.stderr, flush=True)
    print("first")
    assert capsys.readouterr() == ("first\n", "")
    output.release()
    output.release()
    assert capsys.readouterr() == ("a-b\nc!", "to stderr\n")


def test_what_is_printed_is_rendered_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A list that changes afterwards was printed as it stood."""
    output, values = Output(), [1]
    with hold_output(output):
        print(values)
    values.append(2)
    output.release()
    assert capsys.readouterr().out == "[1]\n"


def test_other_files_are_written_at_once() -> None:
    """Only the standard streams are shared with other nodes."""
    file = io.StringIO()
    with hold_output(Output()):
        print("x", file=file)
    assert file.getvalue() == "x\n"


def test_log_records_wait_too(caplog: pytest.LogCaptureFixture) -> None:
    """Handlers and filters see a record in its turn; its arguments are those of the call."""
    output, logger = Output(), logging.getLogger("held")
    with caplog.at_level(logging.INFO), hold_output(output):
        logger.info("step %d", 1)
        logger.debug("not at this level")
        assert caplog.messages == []
    with caplog.at_level(logging.INFO):
        logger.info("before")
        output.release()
    assert caplog.messages == ["before", "step 1"]


def test_a_record_shows_its_arguments_as_they_were(caplog: pytest.LogCaptureFixture) -> None:
    """A list that changes afterwards was logged as it stood; plain arguments stay arguments."""
    output, logger, values = Output(), logging.getLogger("held"), [1]
    with caplog.at_level(logging.INFO), hold_output(output):
        logger.info("%s", values)
        logger.info("%(count)d of %(name)s", {"count": 2, "name": "x"})
    values.append(2)
    output.release()
    assert caplog.messages == ["[1]", "2 of x"]
    assert [bool(record.args) for record in caplog.records] == [False, True]


def test_a_record_that_cannot_be_rendered_is_its_handlers_business(caplog: pytest.LogCaptureFixture) -> None:
    """The call does not raise, held or not."""
    output = Output()
    with hold_output(output):
        logging.getLogger("held").warning("%d", ["no number"])
    logging.getLogger("held").disabled = True
    try:
        output.release()
    finally:
        logging.getLogger("held").disabled = False
    assert caplog.records == []


async def test_tasks_and_threads_of_the_work_are_held_and_others_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever runs with the work's context belongs to it."""
    output = Output()

    async def task(name: str) -> None:
        print(name)

    with hold_output(output):
        inside = asyncio.create_task(task("task"))
        await asyncio.to_thread(print, "thread")
    await inside
    outside = threading.Thread(target=copy_context().run, args=(print, "outside"))
    outside.start()
    outside.join()
    assert capsys.readouterr().out == "outside\n"
    output.release()
    assert sorted(capsys.readouterr().out.split()) == ["task", "thread"]


def test_what_nobody_wants_is_forgotten(capsys: pytest.CaptureFixture[str]) -> None:
    """What was kept, and what comes later; an event ends the work."""
    output = Output()
    with hold_output(output):
        print("a")
        output.drop()
        print("b")
        with pytest.raises(NotAheadError, match="nobody waits"):
            manager.CallbackManager([BaseCallbackHandler()]).on_chain_start({}, {}, name="x")
    output.release()
    assert capsys.readouterr().out == ""


def test_what_was_let_out_is_not_taken_back() -> None:
    """The turn has been."""
    output = Output()
    output.release()
    output.drop()
    assert output.passed
    assert not output.dropped
    output.refuse("nothing is refused any more")
    assert output.refusal is None


def test_a_finalizer_may_print_while_something_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """It runs wherever the collector does, in the thread that holds the lock."""
    output = Output()
    with hold_output(output), output._lock:
        print("from a finalizer")
    output.release()
    assert capsys.readouterr().out == "from a finalizer\n"


@pytest.mark.parametrize("in_a_loop", [False, True])
def test_coroutines_of_a_synchronous_node(in_a_loop: bool) -> None:
    """They are told on a loop of their own, in another thread where this one has a loop already."""
    loops: list[Any] = []

    class Later(AsyncCallbackHandler):
        async def on_chain_start(self, serialized: Any, inputs: Any, **told: Any) -> None:
            loops.append(asyncio.get_running_loop())

    async def work() -> None:
        await manager.AsyncCallbackManager([Later()]).on_chain_start({}, {}, name="x")

    async def release() -> None:
        output.release()
        assert loops != [asyncio.get_running_loop()]

    output = Output()
    with hold_output(output):
        asyncio.run(work())
    assert loops == []
    if in_a_loop:
        asyncio.run(release())
    else:
        output.release()
    assert len(loops) == 1


async def test_an_event_after_the_turn_is_told_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """By whatever tells it, with the names of the turn."""
    seen: list[str] = []

    class Named(BaseCallbackHandler):
        run_inline = True

        def on_chain_start(self, serialized: Any, inputs: Any, *, metadata: Any = None, **told: Any) -> None:
            seen.append(metadata["task"])

    output = Output()
    output.early = Names("old")
    with hold_output(output):
        await output.arelease(Names("new"))
        metadata = {"task": "n:old"}
        await manager.AsyncCallbackManager([Named()], metadata=metadata).on_chain_start({}, {}, name="x")
        manager.CallbackManager([Named()], metadata=metadata).on_chain_start({}, {}, name="x")
        logging.getLogger("held").warning("at once")
    assert seen == ["n:new"] * 2
    assert caplog.messages == ["at once"]


def test_names_of_the_turn() -> None:
    """Texts and namespaces name the turn's task; a mapping stays one mapping."""
    output = Output()
    output.early, output.turn = Names("old"), Names("new")
    assert output.renamed(("n:old", 1, "m:old|x")) == ("n:new", 1, "m:new|x")
    settings = {"ns": "n:old", "step": 1}
    renamed = output.renamed_settings(settings)
    assert renamed == {"ns": "n:new", "step": 1}
    assert output.renamed_settings(settings) is renamed
