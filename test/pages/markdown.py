"""What a Markdown page has: links, headings, and blocks of commands."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# A block of code, perhaps with a note above that says what its commands need.
BLOCK = re.compile(
    r"(?:^<!-- needs (?P<needs>[^>]+) -->\n)?^```(?P<language>\w+)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
# What a test machine may lack.
NEEDS = {"Docker", "a GPU", "Docker and a GPU", "a download"}


@dataclass(frozen=True)
class Block:
    """Code of a page. needs: empty where a test runs it."""

    page: str
    language: str
    code: str
    needs: str


def blocks(path: Path, root: Path) -> Iterator[Block]:
    """Of shells and of Python, in their order."""
    for match in BLOCK.finditer(path.read_text(encoding="utf-8")):
        if match["language"] in ("sh", "python"):
            name = path.relative_to(root).as_posix()
            yield Block(name, match["language"], match["code"], match["needs"] or "")


def links(text: str) -> list[str]:
    """Targets, not those in code."""
    return [
        match["target"] for match in LINK.finditer(re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL))
    ]


def anchors(text: str) -> set[str]:
    """Of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(code: str) -> Iterator[list[str]]:
    """The words of each command of a shell's block that runs one of our programs."""
    for line in re.sub(r"\\\n", " ", code).splitlines():
        words = re.sub(r"(^|\s)#.*", "", line).replace('"', " ").split()
        words = words[1:] if words[:1] == ["torchrun"] else words
        for k, word in enumerate(words):
            if word == "-m" and k and words[k - 1].endswith("python"):
                yield words[k + 1 :]
                break
            if re.fullmatch(r"(\S*/)?(process|evaluate|train)\.py", word):
                yield [Path(word).name, *words[k + 1 :]]
                break
