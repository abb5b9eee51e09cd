"""The statistics: known numbers, computed by hand or taken from tables of Student's t."""

from math import inf, sqrt

import pytest
import stats

# One comparison makes two tests, so each is made at 97.5 %.


def test_the_interval_of_pairs_is_that_of_their_differences():
    change = stats.paired([1, 2, 3], [2, 4, 6], 1)
    assert change.mean == pytest.approx(2)
    # Differences 1, 2, 3; Student's t with 2 degrees of freedom, 97.5 %.
    assert change.uncertainty == pytest.approx(6.2053 * sqrt(1 / 3), rel=1e-4)


def test_the_interval_of_two_groups_is_welchs():
    change = stats.unpaired([1, 2, 3], [4, 5, 6], 1)
    assert change.mean == pytest.approx(3)
    # Student's t with 4 degrees of freedom, 97.5 %.
    assert change.uncertainty == pytest.approx(3.4954 * sqrt(2 / 3), rel=1e-4)


@pytest.mark.parametrize("compare", [stats.paired, stats.unpaired])
def test_more_comparisons_make_the_interval_wider(compare):
    one = compare([1, 2, 3], [2, 4, 6], 1)
    many = compare([1, 2, 3], [2, 4, 6], 18)
    assert many.uncertainty > 2 * one.uncertainty
    assert many.mean == one.mean


def test_five_comparisons_allow_each_of_their_ten_tests_half_a_hundredth():
    change = stats.unpaired([1, 2, 3], [4, 5, 6], 5)
    # Student's t with 4 degrees of freedom, 99.5 %.
    assert change.uncertainty == pytest.approx(5.5976 * sqrt(2 / 3), rel=1e-4)


def test_equal_differences_show_no_uncertainty():
    change = stats.paired([99.1, 99.3, 99.6], [99.2, 99.4, 99.7], 1)
    assert change.uncertainty == inf
    assert not change.beyond_chance


def test_an_interval_that_leaves_out_zero_is_beyond_chance():
    assert stats.paired([1, 2, 3, 4], [2.01, 3, 4, 5], 1).beyond_chance
    assert not stats.paired([1, 2, 3, 4], [2.01, 1, 4, 3], 1).beyond_chance


def test_a_complete_separation_is_beyond_chance_although_students_t_does_not_see_it():
    before = [0.017 + seed / 10_000 for seed in range(10)]
    after = [0.02] * 9 + [4.5]  # every run is worse, one of them by far
    change = stats.paired(before, after, 27)
    assert change.uncertainty > change.mean
    assert change.beyond_chance


def test_pairs_with_their_own_images_are_compared_by_their_differences():
    before = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    after = [11, 22, 33, 44, 55, 66, 77, 88, 99, 250]  # always more, by very different amounts
    assert stats.paired(before, after, 1, own_images=True).beyond_chance
    assert not stats.paired(before, after, 1).beyond_chance


@pytest.mark.parametrize("own_images", [False, True])
def test_equal_runs_do_not_differ(own_images):
    change = stats.paired([5, 6, 7], [5, 6, 7], 1, own_images)
    assert change.mean == 0
    assert not change.beyond_chance


@pytest.mark.parametrize(
    ("failed", "count", "share"),
    [(0, 100, 1 - 0.05 ** (1 / 100)), (0, 10, 1 - 0.05 ** (1 / 10)), (3, 10, 0.6066)],
)
def test_the_share_that_fails_at_most_is_exact(failed, count, share):
    assert stats.most_that_fail(failed, count) == pytest.approx(share, abs=1e-4)
