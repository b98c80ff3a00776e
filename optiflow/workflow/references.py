"""From the text of a graph reference to the object that it names.

A reference is ``TARGET:NAME``. TARGET is a ``langgraph.json`` (NAME is one of its graphs), a Python file or
a module (NAME is one of its attributes). NAME may be left out where TARGET holds exactly one graph.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from optiflow.errors import GraphReferenceError, nearest_name

__all__ = ["Reference", "import_object", "parse_reference"]

_PACKAGE = Path(__file__).resolve().parent.parent
_IMPORTLIB = Path(importlib.__file__).parent
_SCRIPTS = frozenset({".js", ".ts", ".mjs", ".mts", ".cjs", ".cts", ".tsx", ".jsx"})


@dataclass(frozen=True, slots=True)
class Reference:
    """A graph reference, taken apart."""

    text: str
    """As it was given; every error shows it."""

    target: Path | str
    """A Python file, or the dotted name of a module."""

    attribute: str | None
    """Name in the module; None: its only graph."""

    name: str
    """What the graph is called in reports."""

    roots: tuple[Path, ...]
    """Folders that the graph's imports need on ``sys.path``."""

    environment: Mapping[str, str]
    """Environment variables that the graph expects; what the environment has already goes first."""

    def error(self, problem: str) -> GraphReferenceError:
        """An error about this reference."""
        return GraphReferenceError(f"workflow.ref={self.text!r}: {problem}")


def parse_reference(text: str, folder: Path | None = None) -> Reference:
    """Take a graph reference apart, reading ``langgraph.json`` where it names one.

    Args:
        text: Such as ``./langgraph.json:agent``, ``src/app/graph.py:build`` or ``my_pkg.graphs:graph``.
        folder: What relative paths start from; default: the working directory.

    Raises:
        GraphReferenceError: The file does not exist, or ``langgraph.json`` is wrong or has no such graph.
    """
    folder = (folder or Path.cwd()).resolve()
    target, _, name = _split(text)
    if target.endswith(".json"):
        return _from_manifest(text, (folder / target).resolve(), name)
    return _located(Reference(text, target, name or None, name or target, (folder,), {}), folder)


def import_object(reference: Reference) -> Any:
    """Import what a reference names; its folders stay on ``sys.path`` and its environment stays set.

    Raises:
        GraphReferenceError: It does not import, or there is no such attribute.
    """
    for variable, value in reference.environment.items():
        os.environ.setdefault(variable, value)
    for root in reference.roots:
        if str(root) not in sys.path:
            sys.path.append(str(root))
    importlib.invalidate_caches()
    try:
        if isinstance(reference.target, Path):
            module = _import_file(reference.target)
        else:
            module = importlib.import_module(reference.target)
    except (Exception, SystemExit) as error:
        raise reference.error(f"importing it failed with {failure(error)}") from error
    if reference.attribute is None:
        return _only_graph(reference, module)
    try:
        return getattr(module, reference.attribute)
    except AttributeError as error:
        names = [name for name in vars(module) if not name.startswith("_")]
        graphs = [name for name in names if _is_graph(vars(module)[name])]
        hint = nearest_name(reference.attribute, graphs or names)
        raise reference.error(f"no attribute {reference.attribute!r} there; {hint}") from error


def failure(error: BaseException) -> str:
    """An exception and the place in somebody's code where it was raised, in one line."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<frozen", str(_PACKAGE), str(_IMPORTLIB)))
    ]
    own = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    return f"{text} ({own[-1].filename}, line {own[-1].lineno})" if own else text


def _split(text: str) -> tuple[str, str, str]:
    """Target, colon and name; the colon of a Windows drive belongs to the target."""
    target, colon, name = text.rpartition(":")
    if not colon or "/" in name or "\\" in name:
        return text, "", ""
    return target, colon, name


def _from_manifest(text: str, path: Path, name: str) -> Reference:
    """The reference that ``langgraph.json`` has under ``name``."""

    def error(problem: str) -> GraphReferenceError:
        return GraphReferenceError(f"workflow.ref={text!r}: {problem}")

    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as failed:
        raise error(f"{path}: {failed.strerror}") from failed
    except ValueError as failed:
        raise error(f"{path} is no JSON: {failed}") from failed
    graphs = manifest.get("graphs") if isinstance(manifest, dict) else None
    if not isinstance(graphs, dict) or not graphs:
        raise error(f"{path} has no 'graphs', which must map names to references such as './graph.py:graph'")
    if not name and len(graphs) > 1:
        raise error(f"{path} has several graphs; say which with :NAME ({', '.join(sorted(graphs))})")
    name = name or next(iter(graphs))
    if name not in graphs:
        raise error(f"no graph {name!r} in {path}; {nearest_name(name, graphs)}")
    entry = graphs[name].get("path") if isinstance(graphs[name], dict) else graphs[name]
    if not isinstance(entry, str) or ":" not in entry:
        raise error(f"{path}: graphs.{name} must be a reference such as './graph.py:graph', not {entry!r}")
    target, _, attribute = _split(entry)
    reference = Reference(
        text,
        target,
        attribute,
        name,
        _dependencies(manifest, path, error),
        _environment(manifest, path, error),
    )
    return _located(reference, path.parent)


def _dependencies(
    manifest: Mapping[str, Any], path: Path, error: Callable[[str], GraphReferenceError]
) -> tuple[Path, ...]:
    """The folder of ``langgraph.json`` and its local dependencies; others are installed packages."""
    dependencies = manifest.get("dependencies", [])
    if not isinstance(dependencies, list) or not all(isinstance(each, str) for each in dependencies):
        raise error(f"{path}: dependencies must be a list of texts, not {dependencies!r}")
    roots = [path.parent]
    for dependency in dependencies:
        root = (path.parent / dependency).resolve()
        if root.is_dir():
            roots.append(root)
        elif dependency.startswith("."):
            raise error(f"{path}: the dependency {dependency!r} is no folder")
    return tuple(roots)


def _environment(
    manifest: Mapping[str, Any], path: Path, error: Callable[[str], GraphReferenceError]
) -> Mapping[str, str]:
    """The ``env`` of ``langgraph.json``: a mapping, or the path of a file."""
    env = manifest.get("env", {})
    if isinstance(env, dict):
        return {str(name): str(value) for name, value in env.items()}
    if not isinstance(env, str):
        raise error(f"{path}: env must be a mapping or the path of a file, not {env!r}")
    file = path.parent / env
    if not file.is_file():
        raise error(f"{path}: the env file {env!r} does not exist")
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(file).items() if value is not None}


def _located(reference: Reference, folder: Path) -> Reference:
    """The same reference with the file found, and the folders that its imports need."""
    roots = list(reference.roots)
    target = reference.target
    suffix = Path(str(target)).suffix
    if suffix in _SCRIPTS:
        raise reference.error("a JavaScript graph can't be run by Python")
    if suffix == ".py" or "/" in str(target) or "\\" in str(target):
        file = (folder / target).resolve()
        if not file.is_file():
            raise reference.error(f"there is no file {file}")
        roots += _roots_of(file)
        target = file
        reference = replace(reference, name=reference.name if reference.name != str(reference.target) else file.stem)
    elif not all(part.isidentifier() for part in str(target).split(".")):
        raise reference.error("must be FILE.py:NAME, MODULE:NAME or langgraph.json:NAME")
    with_sources = [place for root in roots for place in (root, root / "src") if place.is_dir()]
    return replace(reference, target=target, roots=tuple(dict.fromkeys(with_sources)))


def _roots_of(file: Path) -> list[Path]:
    """Where the imports of a file start, likeliest first: above its package, at ``src``, beside itself."""
    folder = file.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    above = [folder] if folder != file.parent else []
    return [
        *above,
        *(parent for parent in file.parents if parent.name == "src"),
        *(() if above else (folder,)),
    ]


def _import_file(file: Path) -> ModuleType:
    """Import a file by the name that the code around it uses for it, so that it is not loaded twice."""
    for root in _roots_of(file):
        parts = file.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if all(part.isidentifier() for part in parts) and _finds(name, file):
            return importlib.import_module(name)
    name = f"_optiflow_graph_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _finds(name: str, file: Path) -> bool:
    """Whether importing ``name`` leads to ``file``."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # not this module but one that its package imports
        return False
    return spec is not None and spec.origin is not None and Path(spec.origin).resolve() == file


def _only_graph(reference: Reference, module: ModuleType) -> Any:
    graphs = {name: value for name, value in vars(module).items() if not name.startswith("_") and _is_graph(value)}
    if len(graphs) != 1:
        raise reference.error(f"say which graph with :NAME; {nearest_name('', graphs)}")
    return next(iter(graphs.values()))


def _is_graph(value: object) -> bool:
    from langgraph.graph import StateGraph
    from langgraph.pregel import Pregel

    return isinstance(value, StateGraph | Pregel)
