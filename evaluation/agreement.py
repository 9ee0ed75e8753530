"""Whether volumes agree (Bland and Altman, Lancet 1986): bias and limits of agreement, in cm³ and in percent."""

from dataclasses import dataclass

import numpy as np

from evaluation.run import CaseResult, Settings

# Standard deviations around the bias that hold 95 % of differences that are normally distributed.
LIMITS = 1.96


@dataclass(frozen=True)
class Agreement:
    """Prediction minus reference over the cases where either has volume; the deviation divides by n - 1.

    bias_percent and limits_percent: of the differences in percent of both volumes' mean. With one case only the bias is
    there.
    """

    structure: str
    count: int
    bias_cm3: float
    bias_percent: float
    bias_ci95_cm3: tuple[float, float] | None
    limits_cm3: tuple[float, float] | None
    limits_percent: tuple[float, float] | None


def agreement(results: list[CaseResult], settings: Settings) -> list[Agreement]:
    """Of each structure that has volume in some case."""
    found = []
    for structure in settings.structures:
        scores = [r.scores[structure] for r in results if structure in r.scores]
        pairs = np.array([(s.prediction_cm3, s.reference_cm3) for s in scores]).reshape(-1, 2)
        pairs = pairs[pairs.any(axis=1)]
        if len(pairs):
            found.append(_agreement(structure, pairs[:, 0] - pairs[:, 1], pairs.mean(axis=1)))
    return found


def _agreement(structure: str, differences_cm3: np.ndarray, means_cm3: np.ndarray) -> Agreement:
    percent = 100 * differences_cm3 / means_cm3
    count, bias = len(percent), float(differences_cm3.mean())
    if count == 1:
        return Agreement(structure, count, bias, float(percent[0]), None, None, None)
    from scipy.stats import t  # half a second: for this alone

    half = float(t.ppf(0.975, count - 1) * differences_cm3.std(ddof=1) / np.sqrt(count))
    return Agreement(
        structure,
        count,
        bias,
        float(percent.mean()),
        (bias - half, bias + half),
        _limits(differences_cm3),
        _limits(percent),
    )


def _limits(differences: np.ndarray) -> tuple[float, float]:
    mean, half = float(differences.mean()), float(LIMITS * differences.std(ddof=1))
    return mean - half, mean + half


def agreement_table(found: list[Agreement]) -> str:
    """For a terminal."""
    lines = ["volume, prediction minus reference: bias (95 % interval), limits of agreement (Bland-Altman)"]
    for a in found:
        line = f"{a.structure:10}{a.count:>5}{a.bias_cm3:>+10.2f} cm³"
        if a.bias_ci95_cm3 and a.limits_cm3 and a.limits_percent:
            (low, high), limits, percent = a.bias_ci95_cm3, a.limits_cm3, a.limits_percent
            line += f" ({low:+.2f} to {high:+.2f}), {limits[0]:+.2f} to {limits[1]:+.2f} cm³"
            line += f"; {a.bias_percent:+.1f} %, {percent[0]:+.1f} to {percent[1]:+.1f} %"
        lines.append(line)
    return "\n".join(lines)
