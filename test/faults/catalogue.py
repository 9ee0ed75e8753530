"""All groups of faults."""

from faults import damage
from faults.fault import Fault

GROUPS = [damage]
FAULTS: list[Fault] = [fault for group in GROUPS for fault in group.FAULTS]
