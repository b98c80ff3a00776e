"""The StateGraph of a declaration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import StateGraph

from optiflow.clock import VirtualClock
from optiflow.config.workflow import DeclaredWorkflowConfig
from optiflow.errors import ProviderError
from optiflow.plan.effects import Effects
from optiflow.workflow.expansion import expand
from optiflow.workflow.graph import build_graph, declared_effects
from optiflow.workflow.nodes import Asking, worth_retrying

DOCUMENTS = {"rich": {"sheet": "It is rich."}, "idna": {"sheet": "It is international."}}

Declare = Callable[..., DeclaredWorkflowConfig]
Script = Callable[[Callable[[str], str]], Any]


def build(config: DeclaredWorkflowConfig, model: Any) -> StateGraph[Any, Any, Any, Any]:
    """The graph of a declaration over two documents."""
    return build_graph(expand(config, list(DOCUMENTS)), Asking(model, "small-1", "gpt-4o", "m", DOCUMENTS))


async def test_the_graph_runs_to_its_end(declaration: Declare, scripted: Script) -> None:
    """Every node writes its keys; the loop ends when the critic is content."""
    verdicts = iter(["no", "fine"])
    model = scripted(lambda prompt: next(verdicts) if "remark." in prompt else prompt.partition("\n")[0])
    state = await build(declaration(), model).compile().ainvoke({"documents": DOCUMENTS})
    assert state["book"] == "# Book\n\n## First\n\nWrite part_one.\n\n## Second\n\nWrite part_two.\n"
    assert (state["remark"], state["again_count"], state["again_route"]) == ("fine", 1, "END")
    assert len(model.asked) == 2 + 2 * 2 + 2


async def test_a_critic_who_is_never_content_is_overruled(declaration: Declare, scripted: Script) -> None:
    """The loop is bounded, and the checkpoints show every step."""
    saver = InMemorySaver()
    graph = build(declaration(), scripted(lambda prompt: "no")).compile(checkpointer=saver)
    config: Any = {"configurable": {"thread_id": "1"}}
    state = await graph.ainvoke({}, config)
    assert state["again_count"] == 2
    visited = [step.next for step in graph.get_state_history(config)]
    assert visited.count(("editor",)) == 3


def test_a_node_is_tried_again_by_its_policy(declaration: Declare, scripted: Script) -> None:
    """The policy's waits are spent on the clock, and its attempts are counted."""
    failures = iter([OSError("down"), OSError("down")])

    def answer(prompt: str) -> str:
        if "part_one" in prompt and (failure := next(failures, None)):
            raise failure
        return "fine"

    nodes = [node.model_dump() for node in declaration().nodes]
    nodes[1]["retry"] = {"max_attempts": 3, "initial_interval_s": 100, "backoff_factor": 2, "max_interval_s": 150}
    clock = VirtualClock()
    start = clock.time()
    state = clock.run(build(declaration(nodes=nodes), scripted(answer)).compile().ainvoke({}))
    assert state["part_one"] == "fine"
    assert 250 <= clock.time() - start < 260


async def test_a_node_gives_up_after_its_attempts(declaration: Declare, scripted: Script) -> None:
    """The last failure is the run's, in one line."""

    def answer(prompt: str) -> str:
        if "part_one" in prompt:
            raise OSError("down")
        return "fine"

    model = scripted(answer)
    with pytest.raises(ProviderError) as caught:
        await build(declaration(), model).compile().ainvoke({})
    assert str(caught.value) == "node 'editor': model 'small-1' failed: OSError: down"
    assert sum("part_one" in prompt for prompt in model.asked) == 3


def test_a_node_without_a_policy_has_none(declaration: Declare, scripted: Script) -> None:
    """LangGraph's default policy would repeat what we did not ask for."""
    specs = build(declaration(), scripted(str)).nodes
    assert specs["critic"].retry_policy is None
    policy = specs["editor"].retry_policy
    assert policy.retry_on is worth_retrying
    assert (policy.max_attempts, policy.jitter) == (3, False)


async def test_a_group_of_nodes_is_waited_for(declaration: Declare, scripted: Script) -> None:
    """Explicit edges: both readers at once, the editor once behind them."""
    edges = [["START", "reader_{package}"], ["reader_{package}", "editor"], ["editor", "END"]]
    nodes = [node.model_dump() for node in declaration().nodes]
    prompts = [*nodes[1]["prompts"]]
    prompts[0]["reads"] = prompts[0]["reads"][:1]
    config = declaration(edges=edges, nodes=nodes[:2], output="part_one")
    model = scripted(lambda prompt: "x")
    steps = [step async for step in build(config, model).compile().astream({}, stream_mode="updates")]
    assert sorted(name for step in steps for name in step) == ["editor", "reader_idna", "reader_rich"]
    assert list(steps[-1]) == ["editor"]


def test_effects_are_declared(declaration: Declare) -> None:
    """What a node reads and writes is what its declaration says, and it touches nothing else."""
    effects = declared_effects(expand(declaration(), list(DOCUMENTS)))
    assert effects["reader_rich"] == Effects.declared({"documents"}, {"note_rich"}, "the workflow's declaration")
    assert effects["again"].reads == {"remark", "again_count"}
    assert all(each.known for each in effects.values())
