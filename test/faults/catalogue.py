"""All groups of faults."""

from faults import damage, dicom
from faults.fault import Fault

GROUPS = [damage, dicom]
FAULTS: list[Fault] = [fault for group in GROUPS for fault in group.FAULTS]
