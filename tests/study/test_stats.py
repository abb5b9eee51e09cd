"""The statistics: known numbers, computed by hand or taken from tables of Student's t."""

from math import inf, sqrt

import pytest

from tests.study import stats


@pytest.mark.parametrize(("comparisons", "t"), [(1, 4.3027), (5, 9.9248)])
def test_the_interval_is_that_of_the_differences_for_all_comparisons_together(comparisons, t):
    change = stats.paired([1, 2, 3], [2, 4, 6], comparisons)
    assert change.mean == pytest.approx(2)
    # Differences 1, 2, 3; Student's t with 2 degrees of freedom, 95 % and 99 %.
    assert change.uncertainty == pytest.approx(t * sqrt(1 / 3), rel=1e-4)


def test_an_interval_that_leaves_out_zero_is_beyond_chance():
    assert stats.paired([1, 2, 3, 4], [2.01, 3, 4, 5], 1).is_beyond_chance
    assert stats.paired([2.01, 3, 4, 5], [1, 2, 3, 4], 1).is_beyond_chance
    assert not stats.paired([1, 2, 3, 4], [2.01, 1, 4, 3], 1).is_beyond_chance


def test_equal_differences_show_no_uncertainty():
    change = stats.paired([99.1, 99.3, 99.6], [99.2, 99.4, 99.7], 1)
    assert change.uncertainty == inf
    assert not change.is_beyond_chance


@pytest.mark.parametrize(
    ("failed", "count", "share"),
    [(0, 100, 1 - 0.05 ** (1 / 100)), (0, 1, 0.95), (3, 10, 0.6066), (3, 3, 1)],
)
def test_the_share_that_fails_at_most_is_exact(failed, count, share):
    assert stats.most_that_fail(failed, count) == pytest.approx(share, abs=1e-4)
