"""Which submissions are better than which others beyond chance: paired tests, adjusted for their number."""

import warnings

import numpy as np

ALPHA = 0.05
# Values that differ by less are equal: what is left of rounding in a mean.
TIE = 1e-9


def p_values(scores: np.ndarray) -> np.ndarray:
    """One-sided Wilcoxon signed-rank test for each pair: p (teams, teams) that the first is better than the second.

    scores: (teams, cases), larger is better, nan for cases that were not scored. 1 on the diagonal, and where nothing
    differs.
    """
    from scipy.stats import wilcoxon  # half a second: for this alone

    p = np.ones((len(scores),) * 2)
    for one, other in np.argwhere(~np.eye(len(scores), dtype=bool)):
        change = scores[one] - scores[other]
        change = np.where(np.abs(change) <= TIE, 0, change)[~np.isnan(change)]
        if change.any():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # few cases, which the p value says itself
                p[one, other] = wilcoxon(change, alternative="greater").pvalue
    return p


def holm(p: np.ndarray) -> np.ndarray:
    """Adjusted p values of any shape, as many tests as there are values (Holm, Scand J Statist 1979)."""
    flat = p.ravel()
    order = np.argsort(flat, kind="stable")
    adjusted = np.empty_like(flat)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(flat[order] * np.arange(len(flat), 0, -1)))
    return adjusted.reshape(p.shape)


def holm_of_pairs(p: np.ndarray) -> np.ndarray:
    """Of p_values' table (teams, teams): every pair that is one, in both directions, is a test."""
    pairs, adjusted = ~np.eye(len(p), dtype=bool), np.ones_like(p)
    adjusted[pairs] = holm(p[pairs])
    return adjusted
