"""Addresses of checkpointers: checked before anything is opened, and never quoted."""

from __future__ import annotations

import re

import pytest
from pydantic import TypeAdapter, ValidationError

from optiflow.config.checkpointer import CheckpointerAddress
from optiflow.config.compose import compose
from optiflow.errors import ConfigurationError

_ADDRESS: TypeAdapter[str] = TypeAdapter(CheckpointerAddress)


@pytest.mark.parametrize(
    "address",
    [
        "memory",
        "none",
        "sqlite:///runs.db",
        "sqlite:////data/runs.db",
        "postgresql://user:pass%40word@host:5432/database",
        "postgres://host/database?sslmode=require",
        "postgresql:///database",
        "redis://:password@host:6379/0?ttl_s=60",
        "rediss://user:password@host",
    ],
)
def test_what_can_be_opened_is_taken_as_it_is(address: str) -> None:
    """Words and URLs."""
    assert _ADDRESS.validate_python(address) == address


def test_workflows_of_both_kinds_have_one() -> None:
    """A URL needs no quotes in an override unless it has parameters."""
    declared = compose(["workflow.checkpointer=sqlite:////data/runs.db"]).workflow
    graph = compose(
        ["workflow=graph", "workflow.ref=a:b", "workflow.checkpointer='redis://:pw@host:6379/0?ttl_s=5&prefix=a:b'"]
    )
    assert declared.checkpointer == "sqlite:////data/runs.db"
    assert graph.workflow.checkpointer == "redis://:pw@host:6379/0?ttl_s=5&prefix=a:b"
    assert compose(["workflow=graph", "workflow.ref=a:b"]).workflow.checkpointer is None


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("memroy", "'memroy': neither a word nor a URL; did you mean 'memory'?"),
        ("s3cret@host", "neither a word nor a URL; known: memory, none"),
        ("mysql://me:s3cret@host/db", "unknown scheme 'mysql'; known: postgres, postgresql, redis, rediss, sqlite"),
        ("postgresq://me:s3cret@host/db", "unknown scheme 'postgresq'; did you mean 'postgresql'?"),
        ("sqlite://s3cret.db", "expected three slashes and a file, sqlite:///runs.db"),
        ("sqlite:///", "expected three slashes and a file"),
        ("postgresql://me:s3cret/x@host/db", "the host or the port makes no sense; expected postgresql://user:"),
        ("postgresql://me:s3cret@x@host/db", "more than one '@' before the host; .* '@' by %40"),
        ("redis://me:s3cret@host:port/0", "the host or the port makes no sense; expected redis://user:"),
        ("redis:///0", "there is no host"),
        ("redis://me:s3cret@host/zero", "a Redis database is a number"),
    ],
)
def test_what_is_wrong_is_said_without_what_is_secret(address: str, said: str) -> None:
    """The reason and what would be right."""
    with pytest.raises(ValidationError) as raised:
        _ADDRESS.validate_python(address)
    (error,) = raised.value.errors()
    assert re.search(said, str(error["ctx"]["error"]))
    assert "s3cret" not in str(error["ctx"]["error"])


def test_the_key_is_named() -> None:
    """In one line."""
    with pytest.raises(ConfigurationError, match=r"^workflow\.checkpointer: 'memroy': neither a word nor a URL; .*$"):
        compose(["workflow.checkpointer=memroy"])
