"""All groups of faults."""

from faults import (
    damage,
    dicom,
    evaluator,
    folds,
    headers,
    importer,
    layouts,
    pairs,
    server,
    study,
    training,
    weights,
)
from faults.fault import Fault

GROUPS = [
    damage,
    headers,
    layouts,
    pairs,
    dicom,
    study,
    weights,
    importer,
    evaluator,
    training,
    folds,
    server,
]
FAULTS: list[Fault] = [fault for group in GROUPS for fault in group.FAULTS]
