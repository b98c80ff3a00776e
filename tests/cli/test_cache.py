"""``optiflow cache``: what is kept is shown and forgotten."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from optiflow.caching.backends.base import Limits, open_backend


def fill(url: str) -> None:
    """Three entries in two namespaces, one of which was used twice."""
    kind = "redis" if url.startswith("redis") else "postgres" if url.startswith("postgres") else "sqlite"
    with closing(open_backend(kind, url, Limits())) as backend:
        backend.put("node:reader", "1", b"1234")
        backend.put("node:reader", "2", b"12")
        backend.put("model_calls", "1", b"1")
        backend.get("node:reader", "1")
        backend.get("node:reader", "1")


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A cache with entries."""
    address = f"sqlite:///{tmp_path / 'c.sqlite'}"
    if request.param == "postgres":
        address = request.getfixturevalue("postgres_url")
    fill(address)
    return address


def table(out: str) -> list[list[str]]:
    """The columns but the age, which is some seconds."""
    return [line.split()[:4] for line in out.splitlines()]


def test_entries_are_shown_and_forgotten(optiflow, url: str) -> None:
    """By namespace and in all."""
    code, out, err = optiflow("cache", "stats", "--url", url)
    assert (code, err) == (0, "")
    assert table(out) == [
        ["namespace", "entries", "bytes", "hits"],
        ["model_calls", "1", "1", "0"],
        ["node:reader", "2", "6", "2"],
        ["all", "3", "7", "2"],
    ]
    assert out.splitlines()[0].split()[4] == "oldest"
    assert optiflow("cache", "clear", f"--url={url}", "--namespace", "node:reader") == (0, "2 entries forgotten\n", "")
    assert optiflow("cache", "clear", "--url", url).out == "1 entry forgotten\n"
    assert table(optiflow("cache", "stats", "--url", url).out)[1:] == [["all", "0", "0", "0"]]


def test_a_run_fills_the_default_file(optiflow, tiny: list[str]) -> None:
    """The second run works out nothing that the first has; each says what it saved."""
    options = ["+opt=cache", "opt.cache.nodes=[reader,editor]", "opt.cache.backend=sqlite", "report=json"]
    for _ in range(2):
        code, _, err = optiflow(*tiny, *options)
        assert code == 0, err
    code, out, _ = optiflow("cache", "stats")
    assert code == 0
    assert [row[:2] + row[3:] for row in table(out)[1:]] == [
        ["node:editor", "1", "1"],
        ["node:reader", "1", "1"],
        ["all", "2", "2"],
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "cache '': no such action; known: clear, stats"),
        (["stat"], "cache 'stat': no such action; did you mean 'stats'?"),
        (["stats", "--uri", "x"], "cache stats: no such option: --uri; did you mean '--url'?"),
        (["stats", "--namespace", "x"], "cache stats: no such option: --namespace; known: --url"),
        (["stats", "x"], "cache stats: 'x' is no option; usage: "),
        (["clear", "--namespace"], "cache clear: --namespace needs a value; usage: "),
        (["stats"], "cache.sqlite is not there; a run with opt.cache.backend=sqlite makes it"),
        (["stats", "--url", "redis://127.0.0.1:1"], "cache: redis://127.0.0.1:1 does not answer"),
        (["stats", "--url", "nonsense"], "'nonsense' is no address of a cache"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(optiflow, arguments: list[str], says: str, tmp_path: Path) -> None:
    """With what would be right, and nothing is made by looking."""
    code, out, err = optiflow("cache", *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
    assert not (tmp_path / "optiflow-home" / "cache.sqlite").exists()


@pytest.mark.parametrize(("seconds", "shown"), [(3, "3 s"), (90, "1.5 min"), (7200, "2.0 h"), (200_000, "2.3 d")])
def test_ages_are_shown_in_fitting_units(seconds: float, shown: str) -> None:
    """From seconds to days."""
    from optiflow.cli.cache import _age

    assert _age(seconds) == shown


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("opt.cache.backend=redis", "needs a url"),
        ("opt.cache.url=redis://x", "takes no url"),
        ("opt.cache.nodes=some", "opt.cache.nodes: 'some': input should be 'none' or 'auto' or a valid tuple\n"),
        ("opt.cache.max_mb=0", "opt.cache.max_mb"),
    ],
)
def test_options_that_do_not_fit_are_told(optiflow, tiny: list[str], override: str, says: str) -> None:
    """Before anything runs."""
    code, out, err = optiflow(*tiny, "+opt=cache", override)
    assert (code, out) == (2, "")
    assert says in err


@pytest.mark.parametrize("kept", [["opt.cache.nodes=auto"], ["opt.cache.responses=true"], []])
def test_a_place_that_is_away_stops_the_main_job(optiflow, tiny: list[str], kept: list[str]) -> None:
    """With one line and the exit code of a wrong configuration, whatever is to be kept there."""
    url = "redis://127.0.0.1:1"
    code, _, err = optiflow(*tiny, "+opt=cache", "opt.cache.backend=redis", f"opt.cache.url={url}", *kept)
    assert code == 2
    assert f"cache: {url} does not answer" in err.splitlines()[-1]
