"""From overrides to one validated configuration, and every mistake in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from optiflow.config.compose import compose, validate
from optiflow.config.files import conf_dir, options_of
from optiflow.config.models import RunConfig
from optiflow.errors import ConfigurationError
from optiflow.optimizations.registry import available


def test_the_plain_configuration_is_the_baseline() -> None:
    """Without overrides there is no toggle and time is virtual."""
    config = compose()
    assert config.opt == {}
    assert config.clock.kind == "virtual"
    assert config.workflow.name == "dependency_brief"


@pytest.mark.parametrize("preset", options_of("rollback"))
def test_a_rollback_turns_its_toggles_off(preset: str) -> None:
    """Each preset of the group switches off what its name says, and nothing else."""
    opt = compose(["+opt=all", f"+rollback={preset}"]).opt
    off = {name for name, options in opt.items() if not options["enabled"]}
    assert off == (set(opt) if preset == "all" else {preset.removeprefix("no_")})


def test_every_toggle_has_its_rollback() -> None:
    """A toggle without a rollback preset could not be rolled back by name."""
    assert {name.removeprefix("no_") for name in options_of("rollback")} - {"all"} == set(available())


@pytest.mark.parametrize(
    "override",
    [f"{group}={option}" for group in ("clock", "criteria", "log", "report") for option in options_of(group)],
)
def test_every_option_of_every_group_composes(override: str) -> None:
    """Each configuration file makes a valid configuration."""
    group, option = override.split("=")
    assert isinstance(compose([override, *(["clock=real"] if group != "clock" else [])]), RunConfig)
    assert option in options_of(group)


def test_several_toggles_at_once() -> None:
    """A list of options merges into one group."""
    assert list(compose(["+opt=[cache,parallel]"]).opt) == ["cache", "parallel"]


def test_an_option_of_a_toggle_is_overridden() -> None:
    """A value behind the preset wins."""
    assert compose(["+opt=all", "opt.cache.max_entries=5"]).opt["cache"]["max_entries"] == 5


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["+opt=cahce"], "opt=cahce: no such option; did you mean 'cache'?"),
        (["opt=all"], "opt: not in the defaults; add it with +opt=..."),
        (["opt.cache.enabled=false"], "opt.cache.enabled: the toggle is not on; add it first with +opt=cache"),
        (["opt.cahce.enabled=false"], "opt.cahce.enabled: no such toggle; did you mean 'cache'?"),
        (
            ["+opt=all", "opt.cache.max_entires=3"],
            "opt.cache.max_entires: no such option; did you mean 'max_entries'?",
        ),
        (["+rollback=no_paralel"], "rollback=no_paralel: no such option; did you mean 'no_parallel'?"),
        (["workflw=reports"], "workflw: no such key or group; did you mean 'workflow'?"),
        (["clock=virtul"], "clock=virtul: no such option; did you mean 'virtual'?"),
        (["clock.kind=fast"], "clock.kind: 'fast': input should be 'real' or 'virtual'"),
        (
            ["workflow.input.packges=[a]"],
            "workflow.input.packges: no such key in the configuration; did you mean 'packages'?",
        ),
        (["+workflow.input.packges=[a]"], "workflow.input.packges: no such key; did you mean 'packages'?"),
        (["model.nme=x"], "model.nme: no such key in the configuration; did you mean 'name'?"),
        (["+nonsense=1"], "nonsense: no such key; known: "),
        (["seed=abc"], "seed: 'abc': input should be a valid integer"),
        (["~workflow.name"], "workflow.name: missing"),
        (["workflow.input=5"], "workflow.input: 5: input should be a valid dictionary"),
        (["workflow=null"], "Config group override must be a string or a list"),
        (["++clock.kind"], "Error parsing override '++clock.kind' missing EQUAL at '<EOF>'"),
        (["workflow.input.packages=[a,a]"], "workflow.input.packages: package 'a' is given 2 times"),
        (
            ["model.provider=openai", "model.latency=null"],
            "model.provider='openai' answers in real time and needs clock=real, not clock=virtual",
        ),
        (
            ["workflow.nodes=[{name: a, kind: prompts, prompts: [{instruction: x, reads: [], writes: a, rites: 1}]}]"],
            "workflow.nodes.0.prompts.0.rites: no such key; did you mean 'writes'?",
        ),
        (["seed=${nowhere}"], "Interpolation key 'nowhere' not found"),
    ],
)
def test_a_mistake_is_one_line(overrides: list[str], message: str) -> None:
    """With the path of the key, the value and what would be right."""
    with pytest.raises(ConfigurationError) as caught:
        compose(overrides)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_several_mistakes_are_counted() -> None:
    """The first is shown, the others are said to be there."""
    with pytest.raises(ConfigurationError, match=r"\(and 1 more\)$"):
        compose(["seed=abc", "memory=abc"])


def test_invalid_yaml_names_file_and_line(tmp_path: Path) -> None:
    """A broken file of one's own is found without a traceback."""
    (tmp_path / "config.yaml").write_text("defaults: [\n  - _self_\nseed: 1\n")
    with pytest.raises(ConfigurationError, match=r"config\.yaml.*line 2"):
        compose(config_dir=tmp_path)


def test_an_outer_hydra_application_keeps_its_state() -> None:
    """Composing inside somebody else's Hydra program leaves that program as it was."""
    singleton = GlobalHydra.instance()
    outer = object()
    singleton.hydra = outer  # type: ignore[assignment]
    try:
        compose()
        assert singleton.hydra is outer
    finally:
        singleton.hydra = None


def test_plain_mappings_are_validated_too() -> None:
    """What was composed once can be validated again from its own dump."""
    config = compose(["+opt=all"])
    assert validate(config.model_dump(mode="json")) == config


def test_the_baseline_is_the_same_workload() -> None:
    """Toggles, criteria, report and logs do not make another workload; the rest does."""
    config = compose(["+opt=all", "report=json", "criteria=none", "log=stderr"])
    assert config.without_toggles().opt == {}
    assert config.workload() == compose().workload()
    assert compose(["seed=1"]).workload() != compose().workload()


def test_the_configuration_is_in_the_repository_or_in_the_wheel() -> None:
    """Wherever it lies, the root file is there."""
    assert (conf_dir() / "config.yaml").is_file()
