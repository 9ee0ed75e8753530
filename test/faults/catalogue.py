"""All groups of faults."""

from faults import damage, dicom, evaluator, headers, importer, training, weights
from faults.fault import Fault

GROUPS = [damage, headers, dicom, weights, importer, evaluator, training]
FAULTS: list[Fault] = [fault for group in GROUPS for fault in group.FAULTS]
