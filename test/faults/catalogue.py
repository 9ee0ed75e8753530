"""All groups of faults."""

from faults import damage, dicom, evaluator, headers
from faults.fault import Fault

GROUPS = [damage, headers, dicom, evaluator]
FAULTS: list[Fault] = [fault for group in GROUPS for fault in group.FAULTS]
