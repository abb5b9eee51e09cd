"""All statistics: how far two groups of runs differ, and whether chance explains it."""

from dataclasses import dataclass
from math import inf

import numpy as np
from scipy import stats

ERROR = 0.05  # the chance of any wrong claim in a table; the templates say 95 %
TESTS = 2  # for each comparison: Student's t, and a test of ranks; study.md.j2 names both


@dataclass(frozen=True)
class Change:
    """How far one mean is above another."""

    mean: float
    uncertainty: float  # the true change lies within mean ± uncertainty
    beyond_chance: bool  # by at least one of the two tests


def paired(before, after, comparisons, own_images=False):
    """Compare the numbers after with before, which are pairs; return the Change.

    comparisons is how many are made in all: together they are right with 95 % confidence.
    Student's t of the differences does not see that all of one group are above all of the
    other, so ranks are compared, too: of the two groups (Mann and Whitney), or, if each pair has
    its own_images, of the differences (Wilcoxon). Equal numbers make both a little too careful.
    """
    # The records have five decimals: what follows them in a difference is noise.
    differences = np.round(np.subtract(after, before), 5)
    level = ERROR / (TESTS * comparisons)
    uncertainty = inf
    if has_spread(differences):
        uncertainty = half_width(stats.ttest_1samp(differences, 0), level)
    if own_images:
        ranks = stats.wilcoxon(differences, method="exact")
    else:
        ranks = stats.mannwhitneyu(after, before, method="exact")
    return change(differences.mean(), uncertainty, ranks.pvalue, level)


def unpaired(before, after, comparisons):
    """Compare the numbers after with before, two groups of any sizes; return the Change."""
    level = ERROR / (TESTS * comparisons)
    uncertainty = inf
    if has_spread(before) and has_spread(after):
        uncertainty = half_width(stats.ttest_ind(after, before, equal_var=False), level)
    ranks = stats.mannwhitneyu(after, before, method="exact")
    return change(np.mean(after) - np.mean(before), uncertainty, ranks.pvalue, level)


def has_spread(numbers):
    """Return whether numbers differ: one number, or equal ones, show no uncertainty."""
    return len(set(numbers)) > 1


def half_width(test, level):
    """Return half the width of the confidence interval of a test of scipy's."""
    interval = test.confidence_interval(1 - level)
    return (interval.high - interval.low) / 2


def change(mean, uncertainty, p_value, level):
    """Return the Change; p_value is that of the test of ranks."""
    beyond_chance = abs(mean) > uncertainty or p_value < level
    return Change(float(mean), float(uncertainty), bool(beyond_chance))


def most_that_fail(failed, count):
    """Return the share that fails at most, with 95 % confidence, if failed of count did."""
    test = stats.binomtest(failed, count, alternative="less")
    return test.proportion_ci(1 - ERROR, "exact").high
