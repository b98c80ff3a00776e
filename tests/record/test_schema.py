"""What a record holds."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

import optiflow.record.parts
import optiflow.record.schema
from optiflow.monitor.observation import CachedTokens, ModelCall, NodeObservation, NodeSpan
from optiflow.record.parts import (
    DecisionRecord,
    ErrorRecord,
    Memory,
    NodeEffects,
    Output,
    QualityRecord,
    Timings,
    Tokens,
)
from optiflow.record.schema import RunRecord, comparison_key, config_digest, new_record_id


def full(make_record) -> RunRecord:
    """A record with every field set."""
    return make_record(
        sweep_id="s",
        config={"a": {"b": [1, 2.5, None]}, "path": "x"},
        overrides=("a.b=1",),
        toggles={"cache": True, "async": False, "a": True},
        argv=("optiflow", "+opt=all"),
        model="offline",
        seed=1,
        block=2,
        position=3,
        ended_at=datetime.now(UTC),
        timings=Timings.of(runtime_s=10, provider_s=6, provider_total_s=20, cpu_s=1),
        tokens=Tokens(prompt=1, completion=2, total=3),
        cost_usd=0.1,
        model_calls=(ModelCall("n", "n", "m", "0" * 64, 0.0, 1.0, 3, 4, None),),
        nodes=(NodeSpan("n", "", 0.0, 1.0, "ValueError: x"),),
        memory=Memory(peak_rss_mb=1.0),
        output=Output(state={"a": 1}, sha256="3" * 64, text="t"),
        quality=QualityRecord(kind="truth", score=0.9, grade="A", right=9, missing=1, wrong=0),
        decisions=(DecisionRecord(toggle="cache", node="*", action="applied", reason="r"),),
        effects={"n": NodeEffects(reads=("a",), writes=("b",))},
        observed={"n": NodeObservation(("a",), ("b",), ("removed 'x'",), ("y",))},
        deciding=("n",),
        statistics={"cache": {"hits": 3, "rate": 0.5, "kind": "lru"}},
        error=ErrorRecord(type="ValueError", message="x", where="n"),
        traceback="Traceback …",
    )


def test_json_and_back(make_record):
    """A record written as JSON reads back equal."""
    record = full(make_record)
    assert set(record.model_dump(exclude_unset=True)) | {"schema_version"} == set(RunRecord.model_fields)
    assert RunRecord.model_validate_json(record.model_dump_json()) == record


def test_frozen_and_strict_about_names(make_record):
    """A record can't be changed and has no unknown fields; times must tell their zone."""
    record = make_record()
    with pytest.raises(ValidationError):
        record.status = "failed"
    with pytest.raises(ValidationError, match="nonsense"):
        make_record(nonsense=1)
    with pytest.raises(ValidationError, match="timezone"):
        make_record(started_at=datetime(2024, 1, 1))
    with pytest.raises(ValidationError):
        RunRecord.model_validate("no record")


def test_evolve_validates(make_record):
    """A record goes on as a validated copy; the first is unchanged."""
    record = make_record(status="running")
    done = record.evolve(status="ok", tokens=Tokens(prompt=1, completion=1, total=2))
    assert (record.status, done.status) == ("running", "ok")
    assert done.tokens is not None
    with pytest.raises(ValidationError):
        record.evolve(status="finished")


def test_toggles_on(make_record):
    """The names of the toggles that are on come sorted."""
    assert full(make_record).toggles_on == ("a", "cache")


def test_waiting_is_what_is_left():
    """Waiting is the runtime without provider and CPU, and never negative."""
    timings = Timings.of(runtime_s=10, provider_s=6, provider_total_s=20, cpu_s=1)
    assert timings.waiting_s == 3
    assert Timings.of(runtime_s=1, provider_s=1, provider_total_s=1, cpu_s=1).waiting_s == 0


def test_secrets_are_masked_everywhere(make_record, monkeypatch):
    """Neither the configuration nor whatever it leads to shows a secret."""
    monkeypatch.setenv("VENDOR_API_KEY", "from-the-environment-1")
    record = make_record(
        config={"model": {"api_key": "hunter2hunter2", "other": SecretStr("swordfish99")}},
        overrides=["model.api_key=hunter2hunter2"],
        argv=["optiflow", "model.api_key=hunter2hunter2", "store=postgresql://me:open5esame@host/db"],
        error=ErrorRecord(type="E", message="refused hunter2hunter2"),
        traceback="key='from-the-environment-1' swordfish99",
        model_calls=(ModelCall("n", "n", "m", "0" * 64, 0.0, 1.0, 0, 0, "401 for hunter2hunter2"),),
        decisions=[{"toggle": "t", "node": "n", "action": "refused", "reason": "swordfish99"}],
        output=Output(state={"said": "my key is hunter2hunter2", "token": "data"}, sha256="3" * 64),
    )
    text = record.model_dump_json()
    for secret in ("hunter2hunter2", "swordfish99", "from-the-environment-1", "open5esame"):
        assert secret not in text
    assert record.output is not None
    assert record.output.state["token"] == "data"
    assert record.model_calls[0].prompt_sha256 == "0" * 64


def test_ids_are_unique():
    """Ids are 32 hexadecimal digits and differ from the first few on."""
    ids = {new_record_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(i) == 32 and int(i, 16) >= 0 for i in ids)


def test_comparison_key_depends_on_every_part():
    """Runs are comparable if all parts are the same, in whatever order they are named."""
    key = comparison_key(workflow="a", input="b")
    assert key == comparison_key(input="b", workflow="a")
    assert key != comparison_key(workflow="a", input="c")
    assert key != comparison_key(workflow="a", code="b")


def test_config_digest_leaves_secrets_out(monkeypatch):
    """Two configurations that differ in a key only are the same; the machine's environment does not matter."""
    digest = config_digest({"a": 1, "api_key": "one", "text": "a long enough text"})
    monkeypatch.setenv("SOME_TOKEN", "a long enough text")
    assert digest == config_digest({"api_key": "two", "a": 1, "text": "a long enough text"})
    assert digest != config_digest({"a": 2, "api_key": "one", "text": "a long enough text"})


def test_imports_little():
    """Reading the schema pulls in neither LangGraph nor a database."""
    code = (
        "import sys, optiflow.record.schema;"
        "print([m for m in ('langgraph', 'langchain_core', 'sqlalchemy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", [optiflow.record.schema, optiflow.record.parts])
def test_every_field_is_described(module):
    """Each field of each model has a text under it."""
    lines = Path(module.__file__).read_text(encoding="utf-8").splitlines()
    fields = [
        i for i, line in enumerate(lines) if line.startswith("    ") and line[4:].partition(":")[0].isidentifier()
    ]
    declared = [i for i in fields if lines[i].partition(":")[2].strip() not in {"", '"""'} and '"""' not in lines[i]]
    assert declared
    assert [lines[i] for i in declared if '"""' not in lines[i + 1]] == []


def test_records_of_older_versions_know_no_cached_tokens(finished_record: Callable[..., RunRecord]) -> None:
    """They are read as they were: nothing was cached as far as they know, and nothing was priced."""
    told = json.loads(finished_record().model_dump_json())
    for name in ("cache_read", "cache_write", "cache_write_5m", "cache_write_1h", "priced", "unpriced"):
        del told["tokens"][name]
    for call in told["model_calls"]:
        del call["cached"]
    record = RunRecord.model_validate_json(json.dumps(told))
    assert record.tokens is not None
    assert (record.tokens.cache_read, record.tokens.priced, record.tokens.unpriced) == (0, None, ())
    assert record.model_calls[0].cached == CachedTokens()
    cached = dataclasses.replace(record.model_calls[0], cached=CachedTokens(1, 2, 0, 2))
    again = RunRecord.model_validate_json(record.evolve(model_calls=(cached,)).model_dump_json())
    assert again.model_calls == (cached,)
