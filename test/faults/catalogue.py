"""All groups of faults."""

from faults import damage, dicom, evaluator, training
from faults.fault import Fault

GROUPS = [damage, dicom, evaluator, training]
FAULTS: list[Fault] = [fault for group in GROUPS for fault in group.FAULTS]
