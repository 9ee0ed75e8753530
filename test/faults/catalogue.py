"""All groups of faults."""

from faults import damage, importer, weights
from faults.fault import Fault

GROUPS = [damage, weights, importer]
FAULTS: list[Fault] = [fault for group in GROUPS for fault in group.FAULTS]
