"""Which submissions are better than which others beyond chance: paired tests, adjusted for their number."""

import numpy as np

ALPHA = 0.05
# Values that differ by less are equal: what is left of rounding in a mean or a difference.
TIE = 1e-9
# Cases that differ; beyond, the normal approximation is as good.
MOST_EXACT = 50


def signed_rank_p(change: np.ndarray, alternative: str = "two-sided") -> float:
    """p of Wilcoxon's signed-rank test of differences (cases,), nan for cases that were not scored; 1 if none differs.

    Cases that are equal leave the test (Wilcoxon, Biometrics Bulletin 1945); differences of one size share a rank.
    alternative: or "greater". Few cases are tested exactly, also with shared ranks, which scipy tests as its version
    has it.
    """
    from scipy.stats import rankdata, wilcoxon  # half a second: for this alone

    differing = change[np.abs(change) > TIE]  # which nan is not
    sizes = _without_rounding(np.abs(differing))
    if len(differing) > MOST_EXACT:
        signed = np.copysign(sizes, differing)
        return float(wilcoxon(signed, alternative=alternative, correction=False).pvalue)
    twice = np.rint(2 * rankdata(sizes)).astype(int)  # shared ranks may be halves
    chance = np.ones(1)  # of each sum of ranks, where each case's sign is a coin's
    for rank in twice:
        chance = (np.pad(chance, (0, rank)) + np.pad(chance, (rank, 0))) / 2
    found = int(twice[differing > 0].sum())
    greater, less = float(chance[found:].sum()), float(chance[: found + 1].sum())
    return min(1.0, greater if alternative == "greater" else 2 * min(greater, less))


def _without_rounding(sizes: np.ndarray) -> np.ndarray:
    """Whole numbers from 1 in the order of these sizes (cases,), the same for those that rounding alone parts."""
    order = np.argsort(sizes)
    numbers = np.empty(len(sizes))
    numbers[order] = np.cumsum(np.diff(sizes[order], prepend=-np.inf) > TIE)
    return numbers


def p_values(scores: np.ndarray) -> np.ndarray:
    """One-sided Wilcoxon signed-rank test for each pair: p (teams, teams) that the first is better than the second.

    scores: (teams, cases), larger is better, nan for cases that were not scored. 1 on the diagonal, and where nothing
    differs.
    """
    p = np.ones((len(scores),) * 2)
    for one, other in np.argwhere(~np.eye(len(scores), dtype=bool)):
        p[one, other] = signed_rank_p(scores[one] - scores[other], "greater")
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
