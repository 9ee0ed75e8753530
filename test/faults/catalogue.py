"""All groups of faults."""

from faults import damage, evaluator
from faults.fault import Fault

GROUPS = [damage, evaluator]
FAULTS: list[Fault] = [fault for group in GROUPS for fault in group.FAULTS]
