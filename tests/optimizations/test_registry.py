"""Which toggles there are, and what the configuration makes of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from optiflow.errors import ConfigurationError
from optiflow.optimizations import registry
from optiflow.optimizations.base import Decision, Optimization, Options, no_statistics

_PLUGIN = """
from contextlib import contextmanager

from optiflow.optimizations.base import Optimization, Options


class ShoutOptions(Options):
    loudness: int = 1


class Shout(Optimization[ShoutOptions]):
    name = "shout"
    options_model = ShoutOptions

    @contextmanager
    def activate(self):
        yield lambda: {"loudness": self.options.loudness}


NOT_A_TOGGLE = object()
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Install a distribution with entry points into a folder on the path, as pip would lay it out."""

    def _install(*entry_points: str) -> None:
        (tmp_path / "shouting.py").write_text(_PLUGIN)
        info = tmp_path / "shouting-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shouting\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("\n".join([f"[{registry.ENTRY_POINT_GROUP}]", *entry_points]))
        monkeypatch.syspath_prepend(str(tmp_path))
        registry.available.cache_clear()

    yield _install
    registry.available.cache_clear()
    sys.modules.pop("shouting", None)


def test_every_toggle_is_named_as_it_is_registered() -> None:
    """A toggle's own name is the one that configuration uses."""
    for name, toggle in registry.available().items():
        assert toggle.name == name
        assert issubclass(toggle.options_model, Options)


def test_every_toggle_has_its_file_in_the_configuration() -> None:
    """The YAML's name is the toggle's, and its options are the model's defaults, all of them."""
    from omegaconf import OmegaConf

    from optiflow.config.files import conf_dir

    for name, toggle in registry.available().items():
        written = OmegaConf.to_container(OmegaConf.load(conf_dir() / "opt" / f"{name}.yaml"))
        assert isinstance(written, dict)
        assert list(written) == [name]
        defaults = toggle.options_model().model_dump(mode="json")
        assert written[name] == defaults


def test_no_configuration_no_toggle() -> None:
    """The baseline has none."""
    assert registry.resolve({}) == ()


def test_toggles_come_in_the_order_of_application() -> None:
    """Not in the order in which the configuration names them."""
    resolved = registry.resolve({"parallel": {}, "cache": {}})
    assert [toggle.name for toggle in resolved] == ["cache", "parallel"]


def test_disabled_toggles_stay_out() -> None:
    """Both the option and the kill switch turn a toggle off."""
    assert registry.resolve({"cache": {"enabled": False}}) == ()
    assert registry.resolve({"cache": {}}, disabled={"cache"}) == ()


@pytest.mark.parametrize(
    ("opt", "disabled", "message"),
    [
        ({"cahce": {}}, set(), "opt.cahce: no such toggle; did you mean 'cache'?"),
        ({}, {"paralel"}, "OPTIFLOW_DISABLE: 'paralel' is no toggle; did you mean 'parallel'?"),
        ({"cache": {"max_entires": 3}}, set(), "opt.cache.max_entires: no such key; did you mean 'max_entries'?"),
        ({"parallel": {"max_concurrency": -1}}, set(), "opt.parallel.max_concurrency: -1: "),
        ({"cache": {"enabled": "perhaps"}}, set(), "opt.cache.enabled: 'perhaps': "),
    ],
)
def test_a_wrong_configuration_is_one_line(opt: dict[str, dict[str, object]], disabled: set[str], message: str) -> None:
    """The line has the path, the value and what would be right."""
    with pytest.raises(ConfigurationError) as caught:
        registry.resolve(opt, disabled)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_third_partys_toggle_is_found(install) -> None:  # type: ignore[no-untyped-def]
    """An entry point is enough; nothing here is edited."""
    install("shout = shouting:Shout")
    (toggle,) = registry.resolve({"shout": {"loudness": 3}})
    with toggle.activate() as statistics:
        assert statistics() == {"loudness": 3}


@pytest.mark.parametrize(
    ("entry_point", "message"),
    [
        ("shout = shouting:Missing", "toggle 'shout' of 'shouting' does not load: AttributeError"),
        ("shout = shouting:NOT_A_TOGGLE", "toggle 'shout' of 'shouting' is no Optimization"),
        ("cache = shouting:Shout", "toggle 'cache' of 'shouting' takes a name that is already used"),
    ],
)
def test_a_broken_third_partys_toggle_is_named(install, entry_point: str, message: str) -> None:  # type: ignore[no-untyped-def]
    """The error says which toggle of which distribution."""
    install(entry_point)
    with pytest.raises(ConfigurationError, match="^" + message):
        registry.available()


def test_a_toggle_that_overrides_nothing_changes_nothing() -> None:
    """The base class rewrites to the same plan and keeps no statistics."""

    class Nothing(Optimization[Options]):
        name = "nothing"

    toggle = Nothing(Options())
    plan = object()
    assert toggle.rewrite(plan) is plan  # type: ignore[arg-type, comparison-overlap]
    with toggle.activate() as statistics:
        assert statistics is no_statistics
        assert statistics() == {}
    assert Decision("nothing", "*", "refused", "nothing to do").node == "*"


def test_presets_are_what_hydra_composes() -> None:
    """Read without Hydra, a preset says the same as with it."""
    from optiflow.config.compose import compose
    from optiflow.config.files import options_of

    for name in options_of("opt"):
        assert registry.preset(name) == compose([f"+opt={name}"]).opt


def test_all_holds_safe_and_none_holds_nothing() -> None:
    """What never shows is part of what never changes an answer."""
    assert registry.preset("none") == {}
    assert registry.preset("safe").keys() <= registry.preset("all").keys()


def test_a_third_partys_toggle_is_a_preset_of_its_own(install) -> None:  # type: ignore[no-untyped-def]
    """Without a YAML file its defaults hold."""
    install("shout = shouting:Shout")
    assert registry.preset("shout") == {"shout": {}}
    registry.preset.cache_clear()


def test_an_unknown_preset_is_one_line() -> None:
    """With the nearest right name."""
    with pytest.raises(ConfigurationError, match="opt=saef: no such option; did you mean 'safe'"):
        registry.preset("saef")
