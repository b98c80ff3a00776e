"""Nodes as functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from optiflow.batching import activate
from optiflow.config.workflow import DeclaredWorkflowConfig
from optiflow.errors import ConfigurationError, InputError, ProviderError
from optiflow.monitor.performance_monitor import collect
from optiflow.workflow.expansion import Expanded, expand
from optiflow.workflow.nodes import Asking, NodeFunction, node_function, worth_retrying

DOCUMENTS = {"rich": {"sheet": "Name: rich", "description": "It is rich."}, "idna": {"sheet": "Name: idna"}}

Declare = Callable[..., DeclaredWorkflowConfig]
Script = Callable[[Callable[[str], str]], Any]


def function(expanded: Expanded, name: str, model: Any, identity: str | None = "m") -> NodeFunction:
    """The function of one node."""
    asking = Asking(model, "small-1", "gpt-4o", identity, DOCUMENTS)
    return node_function(next(node for node in expanded.nodes if node.name == name), asking)


@pytest.fixture
def expanded(declaration: Declare) -> Expanded:
    """The small declaration for two documents."""
    return expand(declaration(), list(DOCUMENTS))


async def test_a_prompt_is_its_instruction_and_its_material(expanded: Expanded, scripted: Script) -> None:
    """Documents come from the state, whole sections in order, each piece within its tag."""
    model = scripted(lambda prompt: " noted ")
    given = {"documents": {"rich": {"a": "One.", "b": "Two."}}}
    assert await function(expanded, "reader_rich", model)(given) == {"note_rich": "noted"}
    assert model.asked == ['Write note_rich.\n\n<doc name="rich">\nOne.\n\nTwo.\n</doc>']


@pytest.mark.parametrize("state", [{}, {"documents": None}, {"documents": {}}])
async def test_without_documents_in_the_state_the_configured_ones_are_read(
    expanded: Expanded, scripted: Script, state: dict[str, Any]
) -> None:
    """An empty input, as from Studio, runs on the configured input."""
    model = scripted(lambda prompt: "noted")
    await function(expanded, "reader_rich", model)(state)
    assert "It is rich." in model.asked[0]


async def test_a_document_that_the_input_lacks_is_named(expanded: Expanded, scripted: Script) -> None:
    """An input from outside may lack what the declaration reads."""
    with pytest.raises(InputError, match=r"lacks the document 'rich'; did you mean 'rick'"):
        await function(expanded, "reader_rich", scripted(str))({"documents": {"rick": {}}})


async def test_each_prompt_writes_its_key(expanded: Expanded, scripted: Script) -> None:
    """Answers go to their keys; an optional piece that is not there yet leaves no trace."""
    model = scripted(lambda prompt: prompt.partition("\n")[0])
    state = {"note_rich": "R.", "note_idna": "I."}
    written = await function(expanded, "editor", model)(state)
    assert written == {"part_one": "Write part_one.", "part_two": "Write part_two."}
    assert "remark" not in model.asked[0]
    await function(expanded, "editor", model)({**state, "remark": "Shorter!"})
    assert '<remark name="remark">\nShorter!\n</remark>' in model.asked[-1]


async def test_a_document_node_puts_parts_together(expanded: Expanded, scripted: Script) -> None:
    """Headings and texts, separated by blank lines; no model is asked."""
    model = scripted(str)
    written = await function(expanded, "binder", model)({"part_one": "A.", "part_two": "B."})
    assert written == {"book": "# Book\n\n## First\n\nA.\n\n## Second\n\nB.\n"}
    assert model.asked == []


@pytest.mark.parametrize(
    ("remark", "count", "route", "counted"),
    [("no", None, "editor", 1), ("no", 1, "editor", 2), ("no", 2, "END", 2), ("fine", None, "END", 0)],
)
async def test_a_router_sends_back_a_bounded_number_of_times(
    expanded: Expanded, scripted: Script, remark: str, count: int | None, route: str, counted: int
) -> None:
    """It counts its ways back in the state."""
    state = {"remark": remark} | ({} if count is None else {"again_count": count})
    written = await function(expanded, "again", scripted(str))(state)
    assert written == {"again_count": counted, "again_route": route}


@pytest.mark.parametrize("answer", ["", " \n"])
async def test_an_empty_answer_is_a_failure_of_the_provider(expanded: Expanded, scripted: Script, answer: str) -> None:
    """Nobody downstream should have to make do with nothing."""
    with pytest.raises(ProviderError, match=r"node 'reader_rich': model 'small-1' returned an empty answer"):
        await function(expanded, "reader_rich", scripted(lambda prompt: answer))({})


async def test_whatever_a_client_raises_is_a_failure_of_the_provider(expanded: Expanded, scripted: Script) -> None:
    """In one line with node, model and reason, its cause kept."""

    def fail(prompt: str) -> str:
        raise OSError("line\n down" + "!" * 1000)

    with pytest.raises(
        ProviderError, match=r"node 'reader_rich': model 'small-1' failed: OSError: line down!"
    ) as caught:
        await function(expanded, "reader_rich", scripted(fail))({})
    assert isinstance(caught.value.__cause__, OSError)
    assert len(str(caught.value)) < 400
    with pytest.raises(ProviderError, match="RuntimeError: no reason given"):
        await function(expanded, "reader_rich", scripted(lambda prompt: _raise(RuntimeError())))({})


async def test_an_error_of_our_own_passes(expanded: Expanded, scripted: Script) -> None:
    """A configuration error from within the model is none of the provider's."""
    with pytest.raises(ConfigurationError, match="wrong key"):
        await function(expanded, "reader_rich", scripted(lambda prompt: _raise(ConfigurationError("wrong key"))))({})


def _raise(error: Exception) -> str:
    raise error


class StatusError(Exception):
    """An error as clients of providers raise it."""

    def __init__(self, status_code: object) -> None:
        super().__init__()
        self.status_code = status_code


@pytest.mark.parametrize(
    ("cause", "worth"),
    [
        (None, True),
        (TimeoutError(), True),
        *((StatusError(code), True) for code in (408, 409, 429, 500, 503, "?")),
        *((StatusError(code), False) for code in (400, 401, 403, 404, 422)),
    ],
)
def test_only_failures_that_may_pass_are_tried_again(cause: Exception | None, worth: bool) -> None:
    """A refused key is refused the next time too."""
    error = ProviderError("failed")
    error.__cause__ = cause
    assert worth_retrying(error) is worth


def test_errors_of_configuration_are_never_tried_again() -> None:
    """Nor is anything else that is not the provider's."""
    assert not worth_retrying(ConfigurationError("wrong"))
    assert not worth_retrying(ValueError())


async def test_equal_prompts_in_flight_are_asked_once_unless_sampled(declaration: Declare, scripted: Script) -> None:
    """With an identity they may be merged; without one, as at a temperature above 0, never."""
    same = {"instruction": "Same.", "reads": []}
    prompts = [{**same, "writes": "a"}, {**same, "writes": "b"}]
    node = {"name": "twins", "kind": "prompts", "prompts": prompts}
    twins = expand(declaration(nodes=[node], output="a"), ["rich"])
    for identity, asked in (("m", 1), (None, 2)):
        model = scripted(lambda prompt: "answer")
        with activate(4):
            assert await function(twins, "twins", model, identity)({}) == {"a": "answer", "b": "answer"}
        assert len(model.asked) == asked


async def test_own_work_is_measured_apart_from_the_node(expanded: Expanded, scripted: Script) -> None:
    """Preparing and reading are each an operation, and so is every count, and the node as a whole."""
    with collect() as monitor:
        await function(expanded, "editor", scripted(lambda prompt: "x"))({"note_rich": "R.", "note_idna": "I."})
        await function(expanded, "binder", scripted(str))({"part_one": "A.", "part_two": "B."})
        await function(expanded, "again", scripted(str))({"remark": "fine"})
    counts = {row.operation: row.count for row in monitor.report()}
    assert counts == {"node": 3, "prompt_processing": 4, "token_operations": 6}
