"""From functions to their syntax."""

# ruff: noqa: D103 - the functions besides the tests are nodes to look at

from __future__ import annotations

import ast
import gc
import importlib.util
import linecache
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from optiflow.plan import source
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


def test_there_may_be_no_source(tmp_path: Path) -> None:
    """Code made at run time, or whose file does not parse, has no syntax."""
    assert syntax_of(eval("lambda x: x")) is None
    namespace: dict[str, Any] = {}
    exec(compile("def f(x): return x", __file__ + ".gone", "exec"), namespace)
    assert syntax_of(namespace["f"]) is None
    broken = tmp_path / "broken.py"
    broken.write_text("def f(x): return x\n)", encoding="utf-8")
    exec(compile("def f(x): return x", str(broken), "exec"), namespace)
    assert syntax_of(namespace["f"]) is None


def made(n: int) -> Any:
    """A function with a code of its own only once."""

    def inner(x: int) -> int:
        return x + n

    return inner


def test_functions_of_one_code_have_one_tree() -> None:
    """A factory's functions are looked up, not looked for: in no more than 20 µs each."""
    first = syntax_of(made(1))
    assert isinstance(first, ast.FunctionDef)
    functions = [made(n) for n in range(1000)]
    started = time.process_time()
    assert all(syntax_of(each) is first for each in functions)
    assert time.process_time() - started < 1000 * 20e-6


def test_a_code_without_a_tree_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And again as soon as its file is read anew."""
    code = compile("def simple(x: int) -> int:\n    return x * 2\n", __file__, "exec")
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    looked: list[str] = []
    real = source._place_of
    monkeypatch.setattr(source, "_place_of", lambda *given: looked.append("once") or real(*given))
    assert [syntax_of(namespace["simple"]) for _ in range(3)] == [None] * 3
    assert looked == ["once"]
    linecache.checkcache(__file__)
    monkeypatch.setitem(linecache.cache, __file__, (1, None, [*linecache.getlines(__file__), "\n"], __file__))
    assert syntax_of(namespace["simple"]) is None
    assert looked == ["once", "once"]


def _imported(folder: Path, name: str, text: str) -> Any:
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_file_that_was_edited_tells_nothing_of_what_runs(tmp_path: Path) -> None:
    """Whether a tree was found before or not; put back, it does again."""
    module = _imported(tmp_path, "edited", "def a(x):\n    return x\n\ndef b(x):\n    return x\n")
    before = syntax_of(module.a)
    assert before is not None
    path = tmp_path / "edited.py"
    text = path.read_text(encoding="utf-8")
    path.write_text("def a(x):\n    return x + 1\n\n\ndef b(x):\n    return -x\n", encoding="utf-8")
    linecache.checkcache(module.__file__)
    assert syntax_of(module.b) is None
    assert syntax_of(module.a) is None
    path.write_text(text, encoding="utf-8")
    linecache.checkcache(module.__file__)
    assert ast.dump(syntax_of(module.a)) == ast.dump(before)  # type: ignore[arg-type]


TRICKY = '''
import functools as _f

def keep(f): return f

@keep
@_f.lru_cache(maxsize=len([
    lambda: 0]))
def decorated(x, y=lambda: 1):
    """Text

left of all."""
    return lambda: (x,
        y)

class K:
    @staticmethod
    def method(x): return x
    if True:
        async def waits(self): return [await y async for y in self]

text = """ä
x = lambda: 1 # """; after = lambda: 2
one = 1; two = lambda: (
    3); three = lambda: 4
for each in (lambda: 5)(), :
    looped = lambda: 6
four = lambda: 7; five = (
    8)
'''


def test_every_function_of_a_file_is_found_as_in_the_whole(tmp_path: Path) -> None:
    """Decorated, nested, indented, behind other statements and within texts: as a parse of the whole file has it."""
    module = _imported(tmp_path, "tricky", TRICKY)
    whole = {(type(node), node.lineno, node.col_offset): node for node in ast.walk(ast.parse(TRICKY)) if _is(node)}
    functions = [
        module.keep,
        module.decorated.__wrapped__,
        module.decorated.__wrapped__(1),
        module.decorated.__wrapped__.__defaults__[0],
        module.K.method,
        module.K.waits,
        module.after,
        module.two,
        module.three,
        module.looped,
        module.four,
    ]
    for function in functions:
        found = syntax_of(function)
        assert found is not None, function
        same = whole[type(found), found.lineno, found.col_offset]
        assert ast.dump(found, include_attributes=True) == ast.dump(same, include_attributes=True)
    values = [ast.unparse(syntax_of(each)) for each in (module.after, module.two, module.three)]  # type: ignore[arg-type]
    assert values == ["lambda: 2", "lambda: 3", "lambda: 4"]


def _is(node: ast.AST) -> bool:
    return isinstance(node, source.FunctionNode)


def test_what_is_kept_is_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the size of the sources: their text is not kept at all, trees and tables up to their bounds."""
    body = "".join(f"    x = [x + {n}, x * {n}, x - {n}]\n" for n in range(2000))
    modules = []
    for number in range(12):
        modules.append(_imported(tmp_path, f"large{number}", f"def f(x):\n    # {number}\n{body}    return x\n"))
    monkeypatch.setattr(source, "_trees", source._Kept(source._TREE_BYTES))
    monkeypatch.setattr(source, "_tables", source._Kept(source._TABLE_BYTES))
    tracemalloc.start()
    try:
        linecache.clearcache()
        before, _ = tracemalloc.get_traced_memory()
        for module in modules:
            assert syntax_of(module.f) is not None
        linecache.clearcache()
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert source._trees.bytes <= source._TREE_BYTES
    assert source._tables.bytes <= source._TABLE_BYTES
    # What is told is no less than what is taken, so that the bounds hold.
    assert kept <= source._trees.bytes + source._tables.bytes + 2**20
    assert syntax_of(modules[-1].f) is syntax_of(modules[-1].f)


def test_a_tree_that_is_larger_than_the_bound_is_kept_alone() -> None:
    """Else a graph of one large function would look for it again and again."""
    kept: source._Kept[str, int] = source._Kept(10)
    for name, size in (("a", 4), ("b", 4), ("c", 4)):
        kept.put(name, 1, size)
    assert [kept.get(name) for name in "abc"] == [None, 1, 1]
    assert kept.get("b") == 1
    kept.put("d", 2, 5)
    assert [kept.get(name) for name in "bcd"] == [1, None, 2]
    kept.put("e", 3, 100)
    assert ([kept.get(name) for name in "bde"], kept.bytes) == ([None, None, 3], 100)
    kept.put("e", 3, 1)
    assert kept.bytes == 1


def test_threads_may_look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each gets a tree of its function."""
    monkeypatch.setattr(source, "_trees", source._Kept(source._TREE_BYTES))
    functions = [made(n) for n in range(64)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(syntax_of, functions))
    assert {ast.unparse(each) for each in found if each} == {ast.unparse(syntax_of(made(0)))}  # type: ignore[arg-type]
    assert None not in found
