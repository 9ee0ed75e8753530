"""The table of groups and outcomes, printed when the faults have run."""

from faults.catalogue import FAULTS
from faults.table import table


def pytest_terminal_summary(terminalreporter) -> None:
    ran = {
        report.nodeid.partition("test_fault[")[2].removesuffix("]"): outcome
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if "test_fault[" in report.nodeid
    }
    if ran:
        terminalreporter.write_line("")
        terminalreporter.write_line(table(FAULTS, ran))
