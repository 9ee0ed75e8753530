"""What a case and structure came to as columns: of the CSV, the JSON, the report and the statistics."""

from math import isnan

from evaluation.lesions import THRESHOLDS, Matching
from evaluation.metrics import Score
from evaluation.run import Settings
from evaluation.summary import measures

# By the column's last word.
UNITS = {"mm": "mm", "cm3": "cm³", "percent": "%"}
DISTANCES = ("hd95_mm", "assd_mm", "hd100_mm", "masd_mm")


def row(score: Score, settings: Settings, matching: Matching | None = None) -> dict[str, float | int | None]:
    """Columns of one case and structure: fractions, mm, cm³, %, counts; None where a value is not defined."""
    lesions = score.lesions
    columns: dict[str, float | int] = {
        **dict(zip(measures(settings), (score.dsc, *score.nsd), strict=True)),
        "hd95_mm": score.hd95_mm,
        "assd_mm": score.assd_mm,
        "reference_cm3": score.reference_cm3,
        "prediction_cm3": score.prediction_cm3,
        "difference_cm3": score.prediction_cm3 - score.reference_cm3,
        "tp_cm3": score.tp_cm3,
        "fp_cm3": score.fp_cm3,
        "fn_cm3": score.fn_cm3,
        "lesions_reference": lesions.reference,
        "lesions_found": lesions.found,
        "lesions_predicted": lesions.predicted,
        "lesions_true": lesions.true,
        "lesion_sensitivity": lesions.sensitivity,
        "lesion_precision": lesions.precision,
        "lesion_f1": lesions.f1,
        "iou": score.iou,
        "hd100_mm": score.hd100_mm,
        "masd_mm": score.masd_mm,
        "added_path_mm": score.added_path_mm,
        "difference_percent": score.difference_percent,
    }
    if matching:
        columns |= {f"lesions_matched_{name}": matching.matched(name) for name in THRESHOLDS}
    return {key: None if isnan(value) else value for key, value in columns.items()}


def unit(column: str) -> str:
    """Of a column: mm, cm³, %, else none (fractions and counts)."""
    return UNITS.get(column.rsplit("_", 1)[-1], "")
