"""Criteria as configuration."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from optiflow.config.criteria import CriteriaConfig, Criterion, Reference


@pytest.mark.parametrize(
    ("bound", "limit"),
    [
        ({"at_most": 140, "unit": "s"}, "<= 140 s"),
        ({"at_least": 0.8}, ">= 0.8"),
        ({"at_least": "A+"}, ">= A+"),
        ({"equals": 1}, "= 1"),
    ],
)
def test_the_limit_reads_as_a_bound(bound: dict[str, object], limit: str) -> None:
    """Each kind of bound is shown with its sign and unit."""
    assert Criterion.model_validate({"name": "n", "figure": "f", **bound}).limit == limit


@pytest.mark.parametrize("bounds", [{}, {"at_most": 1, "equals": 1}])
def test_exactly_one_bound(bounds: dict[str, float]) -> None:
    """No bound or two are refused, with the criterion's name."""
    with pytest.raises(ValidationError, match="criterion 'n' needs exactly one"):
        Criterion.model_validate({"name": "n", "figure": "f", **bounds})


def test_names_are_unique() -> None:
    """Two criteria of one name could not be told apart in a report."""
    criterion = Criterion(name="n", figure="f", equals=1)
    with pytest.raises(ValidationError, match="'n' is given twice"):
        CriteriaConfig(criteria=(criterion, criterion))


def test_the_reference_is_matched_within_its_tolerance() -> None:
    """Both runtime and tokens have to be near."""
    reference = Reference(runtime_s=200, tokens=40_000, tolerance=0.05)
    assert reference.matches(209, 39_000)
    assert not reference.matches(215, 40_000)
    assert not reference.matches(200, 45_000)
