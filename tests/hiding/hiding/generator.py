"""Graphs by their number: which hiding places, reached how, changed by what, where in the chain."""

from __future__ import annotations

import pkgutil
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from hiding.generator_parts import Witness
from hiding.roles import EARLY, INNOCENT, LATE, asks, collects, fails
from hiding.scene import CHANGES, PLACES, REACHES, SCENARIOS, Lab, Pair, Role, Scene, chain, state_of

__all__ = ["MODES", "Kind", "Mode", "Spec", "control", "spec_of"]

Mode = Literal["invoke", "ainvoke", "stream", "astream", "astream_events"]
MODES: tuple[Mode, ...] = ("invoke", "ainvoke", "invoke", "ainvoke", "stream", "astream")
"""More often without a consumer of the stream: where there is one, less can be started early."""
Kind = Literal["place", "scenario", "control"]

for _module in pkgutil.iter_modules([str(Path(__file__).parent)]):
    # Who adds a hiding place has nothing else to do than to write it.
    if _module.name.startswith(("places_", "changes_", "scenarios_", "reaches")):
        import_module(f"hiding.{_module.name}")

_MODES_OF: dict[str, tuple[Mode, ...]] = {
    "a_consumer_that_goes_away": ("stream", "astream"),
    "a_stream_of_messages": ("stream", "astream"),
    "a_stream_of_tokens": ("stream", "astream"),
    "a_stream_of_events": ("astream_events",),
}
_STREAMED = ("a_consumer", "a_consumer_of_one_node", "a_consumer_of_custom_items", "a_consumer_of_what_a_writer_writes")
_SCENARIOS = 0.3
"""Share of whole scenarios."""
_FAILING = 0.12
"""Share of graphs of which a node fails."""


@dataclass(frozen=True)
class Spec:
    """One graph, made anew by `scene` as often as it is to be run."""

    seed: int
    kind: Kind
    what: str
    """The hiding place, or the scenario."""
    how: str
    """The way to it; empty for a scenario."""
    changed: str
    """What changes it."""
    mode: Mode
    asynchronous: bool
    """Whether the nodes are coroutines."""
    second: str = ""
    """A second hiding place in the same graph."""

    def __str__(self) -> str:
        nodes = "async nodes" if self.asynchronous else "sync nodes"
        more = f" and {self.second}" if self.second else ""
        way = f" {self.how}, changed by {self.changed}" if self.how else ""
        return f"graph {self.seed}: {self.what}{more}{way}; {self.mode}, {nodes}"

    def scene(self) -> Scene:
        """The graph and all that belongs to it, fresh."""
        dice = random.Random(f"{self.seed} scene")
        if self.kind == "scenario":
            return SCENARIOS[self.what](dice, self.asynchronous)
        if self.kind == "control":
            return _innocent(dice, self.asynchronous)
        return _composed(self, dice)


def spec_of(seed: int) -> Spec:
    """The graph of a number; the first numbers go through all places, scenarios, ways and changes in turn."""
    dice = random.Random(f"{seed} spec")
    if dice.random() < _SCENARIOS and SCENARIOS:
        what = _turn(SCENARIOS, seed)
        asynchronous = dice.random() < 0.4
        modes = [mode for mode in _MODES_OF.get(what, MODES) if mode.startswith("a") or not asynchronous]
        if not modes:
            asynchronous, modes = False, list(_MODES_OF[what])
        mode = dice.choice(modes)
        return Spec(seed, "scenario", what, "", "", mode, asynchronous)
    what, how = _turn(PLACES, seed), dice.choice(list(REACHES)) if dice.random() < 0.6 else "directly"
    shared = PLACES[what]()
    changed = "itself" if shared.move is None else dice.choice(list(CHANGES))
    asynchronous = dice.random() < 0.4
    modes: tuple[Mode, ...] = ("ainvoke", "ainvoke", "astream") if asynchronous else MODES
    if changed in _STREAMED:
        modes = ("astream",) if asynchronous else ("stream", "astream")
    second = dice.choice(list(PLACES)) if dice.random() < 0.15 else ""
    return Spec(seed, "place", what, how, changed, dice.choice(modes), asynchronous, second)


def control(seed: int) -> Spec:
    """A graph without any hiding place: its nodes can overlap, and do."""
    dice = random.Random(f"{seed} control")
    asynchronous = dice.random() < 0.5
    mode = dice.choice(("ainvoke", "astream") if asynchronous else MODES)
    return Spec(seed, "control", "nothing", "", "", mode, asynchronous)


def _turn(register: dict[str, Any], seed: int) -> str:
    names = sorted(register)
    random.Random(0).shuffle(names)
    return names[seed % len(names)]


def _innocent(dice: random.Random, asynchronous: bool) -> Scene:
    roles = [dice.choice(INNOCENT) for _ in range(dice.randint(2, 4))]
    nodes = [role(f"k{number}", "q", 0.008)[asynchronous] for number, role in enumerate(roles)]
    nodes.append(collects(tuple(f"k{number}" for number in range(len(nodes))))[asynchronous])
    return Scene(chain(state_of(len(nodes)), nodes), {"q": "question"})


def _composed(spec: Spec, dice: random.Random) -> Scene:
    lab = Lab()
    shared = PLACES[spec.what]()
    where = dice.choice(("state", "state", "context", "configuration")) if shared.held is not None else "state"
    look = REACHES[spec.how](shared.look)
    trigger = None if shared.move is None else CHANGES[spec.changed](lab, shared.move)
    steps = list(_steps(look, where, trigger, dice))
    after: list[Callable[[], object]] = [lambda: shared.look(shared.held)]
    during = [shared.during]
    if spec.second:
        other = PLACES[spec.second]()
        if other.held is None:
            for early in (0.8, 0.25):
                steps.insert(dice.randrange(len(steps)), _reader(other.look, "state", dice, early))
            after.append(lambda: other.look(None))
            during.append(other.during)
    writes = "custom_items" in spec.changed or "writer" in spec.changed
    if dice.random() < _FAILING:
        steps.insert(dice.randrange(len(steps)), fails)
    nodes = []
    for number, role in enumerate(steps):
        need = dice.choice(["q", "q", "q", "q", *(f"k{before}" for before in range(number))])
        nodes.append(role(f"k{number}", need, dice.choice((0.004, 0.008)))[spec.asynchronous])
    nodes.append(collects(tuple(f"k{number}" for number in range(len(nodes))))[spec.asynchronous])
    if dice.random() < 0.35:
        lab.callbacks.append(Witness(lab.log))
    fields = {"held": shared.annotation, **lab.fields}
    return Scene(
        chain(state_of(len(nodes), **fields), nodes, context_schema=dict if where == "context" else None),
        {"q": "question", **({"held": shared.held} if shared.held is not None and where == "state" else {})},
        lab,
        context=shared.held if where == "context" else None,
        configurable={**lab.configurable, **({"held": shared.held} if where == "configuration" else {})},
        during=lambda: _together([*during, *lab.around]),
        after=lambda: [look() for look in after],
        streamed=("updates", "values") if dice.random() < 0.5 and not writes else ("updates", "values", "custom"),
    )


@contextmanager
def _together(contexts: list[Callable[[], AbstractContextManager[object]]]) -> Iterator[None]:
    with ExitStack() as stack:
        for context in contexts:
            stack.enter_context(context())
        yield


def _steps(look: Any, where: str, trigger: Role | None, dice: random.Random) -> Iterator[Role]:
    """Two to five nodes, of which one looks after what changes the thing."""
    # Who looks late, and then who looks early: the other way round where the second is ahead of its turn.
    late, early = _reader(look, where, dice, 0.25), _reader(look, where, dice, 0.8)
    essential = [late, early] if trigger is None else [trigger, early]
    if dice.random() < 0.3:
        essential.insert(0, late)
    if trigger is not None and dice.random() < 0.3:
        essential.append(trigger)
    between = [dice.random() < 0.3 for _ in essential]
    for role, innocent in zip(essential, between, strict=True):
        if innocent:
            yield dice.choice(INNOCENT)
        yield role
    if dice.random() < 0.4:
        yield asks


def _reader(look: Any, where: str, dice: random.Random, early: float) -> Role:
    make = dice.choice((EARLY if dice.random() < early else LATE)[where])

    def role(key: str, need: str, pause: float) -> Pair:
        return make(look, key, need, pause)

    return role
