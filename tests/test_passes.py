"""The pass manager: toggles that fail are refused, and the graph is what the others make of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

import optiflow
from optiflow.errors import ConfigurationError, ToggleFailedError
from optiflow.optimizations import registry
from optiflow.optimizations.base import Decision, Optimization, Options
from optiflow.plan.graph_plan import GraphPlan


class State(TypedDict, total=False):
    text: str


@dataclass(frozen=True)
class Installs:
    """Does something to the compiled graph."""

    act: Any

    def install(self, compiled: Any) -> None:
        """Do it."""
        self.act(compiled)


def give_up(*_: Any) -> Any:
    """Fail as a rewrite does that doesn't know this version."""
    raise KeyError("branch:to:x")


class Names(Optimization[Options]):
    """Works: it names the graph."""

    name: ClassVar[str] = "names"

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        return plan.with_finisher(Installs(lambda compiled: setattr(compiled, "name", "named")))


class BadRewrite(Optimization[Options]):
    """Fails in its rewrite, with a node half replaced."""

    name: ClassVar[str] = "bad"
    fail = staticmethod(give_up)

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        (node,) = plan.nodes.values()
        plan.with_node(node.with_runnable(lambda state: {"text": "half-made"}))
        self.fail()
        return plan


class BadPlan(BadRewrite):
    """Gives back no plan."""

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        return None  # type: ignore[return-value]


class BadInstall(BadRewrite):
    """Fails while the graph is built."""

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        return plan.with_finisher(Installs(self.fail))


class BadGraph(BadRewrite):
    """Makes a plan that LangGraph does not compile."""

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        return plan.with_edges(plan.edges | {("nowhere", "node")})


class BadConstruction(BadRewrite):
    """Can't be made."""

    def __init__(self, options: Options) -> None:
        self.fail()
        super().__init__(options)


class BadOptions(Options):
    """Options that can't be read."""

    def __init__(self, **given: Any) -> None:
        give_up()


class Once(BadRewrite):
    """Fails while the graph is built for the first time, and never again."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.left = [None]

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        return plan.with_finisher(Installs(lambda _: self.left and (self.left.pop(), give_up())))


BAD = [BadRewrite, BadPlan, BadInstall, BadGraph, BadConstruction]


def install(monkeypatch: pytest.MonkeyPatch, *toggles: type[Optimization[Any]]) -> None:
    """Let these be the toggles."""
    by_name = {toggle.name: toggle for toggle in toggles}
    monkeypatch.setattr(registry, "available", lambda: by_name)
    monkeypatch.setattr(registry, "options_of", lambda group: [])
    registry.preset.cache_clear()


@pytest.fixture
def builder() -> StateGraph[State]:
    """One node."""
    builder = StateGraph(State)
    builder.add_node("node", lambda state: {"text": "done"})
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    return builder


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("first", [True, False])
def test_toggle_that_fails_is_refused(
    bad: Any, first: bool, builder: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others act, the decision says why, and one line of the log names it."""
    install(monkeypatch, *((bad, Names) if first else (Names, bad)))
    graph = optiflow.compile(builder, ["bad", "names"])
    assert (graph.invoke({}), graph.name, graph.builder) == ({"text": "done"}, "named", builder)
    (line,) = capsys.readouterr().err.splitlines()
    assert "level=warning" in line
    assert "toggle=bad" in line
    optimized = optiflow.optimize(builder.compile(), ["bad", "names"])
    assert (optimized.invoke({}), optimized.name) == ({"text": "done"}, "named")


@pytest.mark.parametrize("bad", [BadRewrite, BadPlan, BadConstruction])
def test_explain_says_why(bad: Any, builder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decision for the toggle, as for any other."""
    install(monkeypatch, bad)
    (decision,) = optiflow.explain(builder, "bad")
    assert (decision.toggle, decision.node, decision.action) == ("bad", "*", "refused")
    assert decision.is_failure
    assert decision.reason.startswith("failed: AttributeError" if bad is BadPlan else "failed: KeyError: 'branch:to:x'")


@pytest.mark.parametrize("bad", BAD)
def test_strict_raises_with_the_toggles_name(bad: Any, builder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said in the call or by the machine's settings; the cause is what the toggle raised."""
    install(monkeypatch, Names, bad)
    with pytest.raises(ToggleFailedError, match="toggle 'bad'") as caught:
        optiflow.compile(builder, ["bad", "names"], strict=True)
    assert caught.value.__cause__ is not None
    with pytest.raises(ToggleFailedError, match="toggle 'bad'"):
        optiflow.optimize(builder.compile(), ["bad", "names"], strict=True)
    monkeypatch.setattr("optiflow.api.get_settings", lambda: replace_strict())
    with pytest.raises(ToggleFailedError, match="toggle 'bad'"):
        optiflow.compile(builder, ["bad", "names"])
    assert optiflow.compile(builder, ["bad", "names"], strict=False).name == "named"


def replace_strict() -> Any:
    """The machine's settings, strict."""
    from optiflow.settings import Settings

    return Settings(strict=True)


def test_options_that_cannot_be_read_are_refused(builder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third party's model of options is its code too."""
    monkeypatch.setattr(BadRewrite, "options_model", BadOptions)
    install(monkeypatch, BadRewrite)
    monkeypatch.setattr(BadOptions, "model_validate", give_up)
    (decision,) = optiflow.explain(builder, "bad")
    assert decision == Decision("bad", "*", "refused", "failed: KeyError: 'branch:to:x'")


def test_failure_that_does_not_come_again_costs_nothing(builder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is to blame, and the graph is what it was to be."""
    install(monkeypatch, Once, Names)
    graph = optiflow.compile(builder, ["bad", "names"], strict=True)
    assert (graph.invoke({}), graph.name) == ({"text": "done"}, "named")


def test_wrong_configuration_is_no_failure(builder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is raised as it is: the user can mend it."""
    install(monkeypatch, BadRewrite)

    def fail() -> None:
        raise ConfigurationError("opt.bad.node: no such node")

    monkeypatch.setattr(BadRewrite, "fail", staticmethod(fail))
    with pytest.raises(ConfigurationError, match=r"opt\.bad\.node"):
        optiflow.compile(builder, "bad")


@pytest.mark.parametrize("bad", [BadRewrite, BadInstall, BadConstruction])
def test_ctrl_c_passes_through(bad: Any, builder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's wish to stop is no failure of a toggle."""
    install(monkeypatch, bad)

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(BadRewrite, "fail", staticmethod(stop))
    with pytest.raises(KeyboardInterrupt):
        optiflow.compile(builder, "bad")


def test_graph_that_does_not_compile_is_not_blamed_on_toggles(monkeypatch: pytest.MonkeyPatch) -> None:
    """LangGraph's own error comes out, whatever toggles do."""
    install(monkeypatch, BadInstall)
    with pytest.raises(ValueError, match="entrypoint"):
        optiflow.compile(StateGraph(State), "bad", strict=True)
    install(monkeypatch)
    with pytest.raises(ValueError, match="entrypoint"):
        optiflow.compile(StateGraph(State), [])


class Uncopied(StateGraph[State]):
    """A builder that can't be copied, but compiles."""

    def __copy__(self) -> Any:
        raise RuntimeError("one of a kind")


class Unread(StateGraph[State]):
    """A builder whose specs can't be looked at but by its own `compile`."""

    hidden = False

    @property
    def schemas(self) -> Any:
        if self.hidden:
            raise RuntimeError("look away")
        return self.__dict__["schemas"]

    @schemas.setter
    def schemas(self, value: Any) -> None:
        self.__dict__["schemas"] = value

    def compile(self, *args: Any, **kwargs: Any) -> CompiledStateGraph[Any, Any, Any, Any]:
        self.hidden = False
        try:
            return super().compile(*args, **kwargs)
        finally:
            self.hidden = True


@pytest.mark.parametrize("kind", [Uncopied, Unread])
def test_builder_that_cannot_be_read_compiles(kind: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """As LangGraph compiles it, with what toggles do around runs."""
    builder = kind(State)
    builder.add_node("node", lambda state: {"text": "done"})
    builder.add_edge(START, "node")
    builder.hidden = True
    graph = optiflow.compile(builder, ["log_level", "clients"], name="mine")
    assert (graph.invoke({}), graph.name) == ({"text": "done"}, "mine")
    assert [toggle.name for toggle in graph.run_toggles] == ["log_level", "clients"]  # type: ignore[attr-defined]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all("toggle=" in line for line in lines)
    compiled = optiflow.optimize(builder.compile(name="mine"), ["log_level"])
    assert (compiled.invoke({}), compiled.name) == ({"text": "done"}, "mine")
    with pytest.raises(ToggleFailedError, match="toggle 'log_level' failed in reading the graph"):
        optiflow.compile(builder, ["log_level"], strict=True)


def test_decisions_of_failures_are_known_by_them() -> None:
    """And others aren't."""
    assert Decision.failure("a", "KeyError").is_failure
    assert not replace(Decision.failure("a", "KeyError"), reason="refused").is_failure
