"""The end of docs/troubleshooting.md, out of the messages in the code: make docs."""

import re
from collections import defaultdict

from pages.messages import ROOT, Code, Message

PAGE = ROOT / "docs" / "troubleshooting.md"
MARK = "<!-- what follows is written by make docs -->\n"
# Heading, and what the paths of its sources begin with; the first that fits counts.
PARTS = (
    ("DICOM series", r"model/images/(dicom|choice|series_files|tilt|decompress|contrast)"),
    ("Images", r"model/images/"),
    ("Weights files and devices", r"model/(network|inference|preprocessing|installed)"),
    ("nnU-Net models: `python -m model.importing`", r"model/importing"),
    ("Contours in DICOM: `python -m dicom`", r"dicom/"),
    ("Scoring: `evaluate.py`", r"evaluat"),
    ("Training: `train.py` and `python -m training`", r"train"),
    ("Phantoms: `python -m phantom`", r"phantom/"),
    ("Segmenting: `process.py`, folders, options, and what all programs share", r""),
)


def page(text: str) -> str:
    """The page with its generated part as the code has it now."""
    head, mark, _ = text.partition(MARK)
    assert mark, f"{PAGE} has no line {MARK}"
    code = Code()
    groups: dict[str, list[Message]] = defaultdict(list)
    for message in code.messages():
        title = next(title for title, start in PARTS if re.match(start, message.source))
        groups[title].append(message)
    parts = [section(title, groups[title]) for title, _ in reversed(PARTS)]
    reasons = "\n".join(f"- {shown(reason)}" for reason in code.reasons())
    parts.append(
        f"## Reasons\n\nWhat may stand for `<reason>` above, where it is not the system's own words:\n\n{reasons}\n"
    )
    return head + MARK + "\n" + "\n".join(parts)


def section(title: str, messages: list[Message]) -> str:
    """A table: each message once, with all its remedies."""
    remedies: dict[tuple[str, str], list[str]] = defaultdict(list)
    for message in messages:
        found = remedies[message.where, message.fact]
        if message.remedy not in found:
            found.append(message.remedy)
    rows = [
        f"| {shown(f'{where}: {fact}' if where else fact)} | {' / '.join(map(shown, found))} |"
        for (where, fact), found in sorted(
            remedies.items(), key=lambda item: (item[0][0], item[0][1].lower())
        )
    ]
    return "\n".join([f"## {title}", "", "| message | what to do |", "|---|---|", *rows, ""])


def shown(text: str) -> str:
    """For a cell of a table: as code where Markdown would take it for something else."""
    text = " ".join(text.split()).replace("|", "\\|")
    return f"`{text}`" if re.search(r"[<>*_\\{]", text) else text.replace("`", "'")


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
