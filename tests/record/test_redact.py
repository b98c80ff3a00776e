"""Secrets never reach a record."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretBytes, SecretStr

from optiflow.record.redact import MASK, Redactor


def redacted(tree: object) -> object:
    """The tree, redacted without regard to this machine's environment."""
    return Redactor(tree, environ={}).tree(tree)


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "apiKey",
        "OPENAI_API_KEY",
        "token",
        "access-token",
        "auth.token",
        "secret",
        "client_secret_value",
        "db_password",
        "Authorization",
        "x-api-key",
        "credentials",
        "tokens",
        "api_keys",
    ],
)
def test_a_name_tells(name):
    """A value under a name that speaks of a secret is masked, wherever in the tree."""
    assert redacted({"a": [{name: "v4lue"}]}) == {"a": [{name: MASK}]}
    assert redacted({name: ["v4lue", "v5lue"]}) == {name: MASK}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", 100),
        ("prompt_tokens", 1.5),
        ("output_key", "brief"),
        ("comparison_key", "abc"),
        ("tokenizer", "o200k_base"),
        ("monkey", "x"),
        ("keyboard", "x"),
        ("", "x"),
        ("token", None),
        ("use_token", True),
    ],
)
def test_harmless_names_stay(name, value):
    """Counts of tokens, keys of states and words that only contain such a word are kept."""
    assert redacted({name: value}) == {name: value}


def test_a_number_may_be_a_secret():
    """A password of digits is masked too."""
    assert redacted({"password": 1234, "api_key": 99}) == {"password": MASK, "api_key": MASK}


def test_secret_types():
    """Values of pydantic's secret types are masked under any name, also where their text turns up again."""
    tree = {"a": SecretStr("hunter2hunter2"), "b": SecretBytes(b"12345678"), "c": "x hunter2hunter2 12345678"}
    assert redacted(tree) == {"a": MASK, "b": MASK, "c": f"x {MASK} {MASK}"}


def test_models_and_dataclasses():
    """Models and dataclasses are rebuilt with their texts cleaned, their types and tuples kept."""

    class Provider(BaseModel):
        api_key: SecretStr
        note: str
        load: tuple[float, ...] = (1.0, 2.0)

    @dataclass(frozen=True)
    class Call:
        error: str

    provider = Provider(api_key=SecretStr("hunter2hunter2"), note="hunter2hunter2")
    redactor = Redactor(provider, environ={})
    assert redactor.tree(provider).note == MASK
    assert redactor.tree(provider).load == (1.0, 2.0)
    assert redactor.tree((Call("no hunter2hunter2"),)) == (Call(f"no {MASK}"),)


def test_a_mapping_under_a_secret_name_is_looked_into():
    """A section named like a secret keeps what is harmless in it."""
    assert redacted({"credentials": {"user": "me", "password": "x"}}) == {
        "credentials": {"user": "me", "password": MASK}
    }


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("postgresql://me:s3cret@host/db", f"postgresql://me:{MASK}@host/db"),
        ("postgresql+psycopg://me:a:b@host/db and more", f"postgresql+psycopg://me:{MASK}@host/db and more"),
        ("redis\\://me\\:pw@host\\:6379/0", f"redis\\://me\\:{MASK}@host\\:6379/0"),
        ("redis://:p@ss@host:6379/0 or a@b", f"redis://:{MASK}@host:6379/0 or a@b"),
        ("postgresql://host/db?sslpassword=abc", f"postgresql://host/db?sslpassword={MASK}"),
        ("https://host/x?api_key=abc&page=2", f"https://host/x?api_key={MASK}&page=2"),
        ("https://host/x?page=2&token=abc", f"https://host/x?page=2&token={MASK}"),
        ("Authorization: Bearer abc.def-123456", f"Authorization: Bearer {MASK}"),
        ("the bearer certificates of 1920", "the bearer certificates of 1920"),
        ("https://host:8080/path", "https://host:8080/path"),
        ("sqlite:////home/me/x.sqlite", "sqlite:////home/me/x.sqlite"),
        ("https://host/x?max_tokens=5", "https://host/x?max_tokens=5"),
        ("https://host/x?key=", "https://host/x?key="),
    ],
)
def test_texts(text, clean):
    """Passwords and parameters of URLs and bearer tokens are masked in any text, nothing else is."""
    assert Redactor(environ={}).text(text) == clean


def test_the_environment_s_secrets():
    """A secret of the environment is masked wherever it turns up, if it is long enough to be told from words."""
    environ = {"SOME_API_KEY": "abcdefgh12", "SHORT_TOKEN": "abc", "PWD": "/home/me/project", "HOME": "/home/me"}
    redactor = Redactor(environ=environ)
    assert redactor.text("abc abcdefgh12 /home/me/project") == f"abc {MASK} /home/me/project"
    assert redactor.known({"a": ["abcdefgh12", 1], "token": "kept"}) == {"a": [MASK, 1], "token": "kept"}


def test_known_without_secrets_is_the_same_object():
    """Where no secret is known nothing is copied."""
    tree = {"token": "a"}
    assert Redactor(environ={}).known(tree) is tree


def test_arguments():
    """Overrides and options lose the values of secrets only."""
    arguments = [
        "model.api_key=abc",
        "+model.token=abc",
        "model.max_tokens=5",
        "opt=[cache,parallel]",
        "store=postgresql://me:pw@host/db",
        "--password",
        "hunter2",
        "--token",
        "--verbose",
        "--api-key=abc",
        "plain",
    ]
    assert Redactor(environ={}).arguments(arguments) == [
        f"model.api_key={MASK}",
        f"+model.token={MASK}",
        "model.max_tokens=5",
        "opt=[cache,parallel]",
        f"store=postgresql://me:{MASK}@host/db",
        "--password",
        MASK,
        "--token",
        "--verbose",
        f"--api-key={MASK}",
        "plain",
    ]


names = st.sampled_from(["a", "api_key", "nested", "password", "max_tokens", "secret_word"])
json_trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)


@given(json_trees)
def test_redacting_twice_changes_nothing(tree):
    """A redacted tree is left as it is, so a stored record reads back the same."""
    once = redacted(tree)
    assert redacted(once) == once


@given(json_trees, st.text(alphabet="abcdef0123456789", min_size=12, max_size=20))
def test_a_secret_is_nowhere_in_the_result(tree, secret):
    """A text under a secret's name does not survive anywhere."""
    result = redacted({"tree": tree, "copy": f"see {secret}", "inner": [{"api_key": secret}]})
    assert secret not in repr(result)
