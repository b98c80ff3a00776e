"""From functions to their syntax."""

# ruff: noqa: D103 - the functions besides the tests are nodes to look at

from __future__ import annotations

import ast
from typing import Any

from optiflow.plan.source import syntax_of


def simple(x: int) -> int:
    return x


PAIR: Any = (lambda x: x + 1, lambda x: x + 2)
NESTED: Any = lambda x: lambda y: x + y  # noqa: E731


def test_a_function_and_its_lambda_neighbours() -> None:
    """Each of two lambdas on one line, and one within another, is found as itself."""
    assert isinstance(syntax_of(simple), ast.FunctionDef)
    assert [ast.unparse(syntax_of(each)) for each in PAIR] == ["lambda x: x + 1", "lambda x: x + 2"]  # type: ignore[arg-type]
    assert ast.unparse(syntax_of(NESTED)) == "lambda x: lambda y: x + y"  # type: ignore[arg-type]
    assert ast.unparse(syntax_of(NESTED(1))) == "lambda y: x + y"  # type: ignore[arg-type]


def test_there_may_be_no_source() -> None:
    """Code made at run time, or whose file does not parse, has no syntax."""
    assert syntax_of(eval("lambda x: x")) is None
    namespace: dict[str, Any] = {}
    exec(compile("def f(x): return x", __file__ + ".gone", "exec"), namespace)
    assert syntax_of(namespace["f"]) is None
