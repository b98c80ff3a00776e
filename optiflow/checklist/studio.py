"""Whether LangGraph's own development server loads and runs the reference graph."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from optiflow.checklist.lines import Line

__all__ = ["studio_line"]

_TEXT = "Studio compatibility: PASS"
_PATIENCE_S = 90.0
_FAREWELL_S = 10.0
_GRAPH = "dependency_brief"


def studio_line() -> Line:
    """Serve the reference graph as LangGraph Studio does, and run it once through the server."""
    if find_spec("langgraph_api") is None or find_spec("langgraph_cli") is None:
        return Line(_TEXT, False, "the extra 'studio' is not installed: pip install 'optiflow[studio]'")
    started = time.monotonic()
    try:
        with _server() as url:
            ready = time.monotonic() - started
            characters = asyncio.run(_run_once(url))
    except (OSError, RuntimeError) as error:
        return Line(_TEXT, False, str(error))
    return Line(
        _TEXT, characters > 0, f"served after {ready:.1f} s; one run through it wrote {characters:,} characters"
    )


async def _run_once(url: str) -> int:
    """Length of the brief that a run through the server writes."""
    from langgraph_sdk import get_client

    async with get_client(url=url) as client:
        state = await client.runs.wait(None, _GRAPH, input={})
    if not isinstance(state, dict) or "brief" not in state:
        raise RuntimeError(f"the server's run ended without a brief: {str(state)[:200]}")
    return len(state["brief"])


@contextmanager
def _server() -> Iterator[str]:
    """The development server on a free port, without a browser, in a folder of its own.

    Yields:
        Its address, once it answers.

    Raises:
        RuntimeError: It ended, or did not answer in time; the text has its last line.
    """
    from optiflow.workflow import studio

    with tempfile.TemporaryDirectory() as folder:
        declaration = {"dependencies": ["."], "graphs": {_GRAPH: f"{studio.__file__}:graph"}}
        (Path(folder) / "langgraph.json").write_text(json.dumps(declaration), encoding="utf-8")
        port = _free_port()
        log = Path(folder) / "server.log"
        command = [sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload", "--port", str(port)]
        environment = {**os.environ, "LANGSMITH_TRACING": "false", "LANGGRAPH_CLI_NO_ANALYTICS": "1"}
        with log.open("w") as output:
            process = subprocess.Popen(
                command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )
            try:
                url = f"http://127.0.0.1:{port}"
                _wait_until_it_answers(process, url, log)
                yield url
            finally:
                _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server with everything that it started."""
    # One that has ended by itself may have left nobody behind.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=_FAREWELL_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_it_answers(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    import httpx

    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"langgraph dev ended with {process.returncode}: {_last_line(log)}")
        try:
            if httpx.get(f"{url}/ok", timeout=1).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise RuntimeError(f"langgraph dev did not answer within {_PATIENCE_S:.0f} s: {_last_line(log)}")


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it printed nothing"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
