"""The table of groups and outcomes, as Markdown."""

from collections.abc import Sequence

from faults.fault import Fault

OUTCOMES = ("refused", "warned", "read")


def table(faults: Sequence[Fault], ran: dict[str, str] | None = None) -> str:
    """A row per group: how many faults, of each expected outcome; with ran (label → passed or failed) also these."""
    heads = ["group", "inputs", *OUTCOMES, *(["as expected", "not"] if ran is not None else [])]
    rows = [heads, ["---"] * len(heads)]
    groups = list(dict.fromkeys(fault.group for fault in faults))
    for group in (*groups, "all"):
        chosen = [fault for fault in faults if group in (fault.group, "all")]
        row = [group, len(chosen), *(sum(f.expected.outcome == o for f in chosen) for o in OUTCOMES)]
        if ran is not None:
            results = [ran.get(fault.label) for fault in chosen]
            row += [results.count("passed"), results.count("failed")]
        rows.append([str(cell) for cell in row])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
