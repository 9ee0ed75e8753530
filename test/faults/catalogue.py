"""All groups of faults."""

from faults import damage, dicom, evaluator, headers, importer, weights
from faults.fault import Fault

GROUPS = [damage, headers, dicom, weights, importer, evaluator]
FAULTS: list[Fault] = [fault for group in GROUPS for fault in group.FAULTS]
