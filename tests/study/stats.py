"""All statistics: how far the runs of two kinds differ, and whether chance explains it."""

from dataclasses import dataclass
from math import inf

import numpy as np
from scipy import stats

ERROR = 0.05  # the chance of any wrong claim in a table; the templates say 95 %


@dataclass(frozen=True)
class Change:
    """How far one mean is above another; the true change lies within mean ± uncertainty."""

    mean: float
    uncertainty: float

    @property
    def is_beyond_chance(self):
        """Whether the interval leaves out 0."""
        return abs(self.mean) > self.uncertainty


def paired(before, after, comparisons):
    """Compare the numbers after with before, which are pairs, by Student's t.

    comparisons is how many are made in all: together they are right with 95 % confidence
    (Bonferroni).
    """
    # The records have five decimals: what follows them in a difference is noise.
    differences = np.round(np.subtract(after, before), 5)
    uncertainty = inf
    if len(set(differences)) > 1:  # equal differences show no uncertainty
        test = stats.ttest_1samp(differences, 0)
        interval = test.confidence_interval(1 - ERROR / comparisons)
        uncertainty = (interval.high - interval.low) / 2
    return Change(float(differences.mean()), float(uncertainty))


def most_that_fail(failed, count):
    """Return the share that fails at most, with 95 % confidence, if failed of count did."""
    test = stats.binomtest(failed, count, alternative="less")
    return test.proportion_ci(1 - ERROR, "exact").high
