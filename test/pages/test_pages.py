"""The documentation holds: links lead somewhere, options exist, and every command runs."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
from pages.markdown import NEEDS, anchors, blocks, commands, links

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
ALL = [*PAGES, *(ROOT / name / "README.md" for name in ("dicom", "bench", "test/faults"))]
ALL += [ROOT / "weights" / "MODEL_CARD.md"]
WITH_COMMANDS = [path for path in PAGES if any(not block.needs for block in blocks(path, ROOT))]
# So that a test takes minutes, not hours: the same with fewer cases.
SHORTER = ((r"--cases 60\b", "--cases 1"), (r"\bmake test\b", "make help"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_links_lead_somewhere(path):
    for target in links(path.read_text(encoding="utf-8")):
        if re.match(r"https?://|mailto:", target):
            continue
        file, _, anchor = target.partition("#")
        other = (path.parent / unquote(file)).resolve() if file else path
        assert other.exists() and ROOT in other.parents, target
        if anchor:
            assert anchor in anchors(other.read_text(encoding="utf-8")), target


def test_every_page_is_in_the_index():
    listed = {
        (ROOT / "docs" / target.partition("#")[0]).resolve() for target in links(text("docs/README.md"))
    }
    assert {path for path in PAGES if path.parent.name == "docs"} - {ROOT / "docs" / "README.md"} <= listed
    assert (ROOT / "weights" / "MODEL_CARD.md") in listed


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_options_on_a_page_exist(path, helps):
    """Also of commands that are not run here."""
    for block in blocks(path, ROOT):
        assert block.needs in NEEDS | {""}
        for program, *words in commands(block.code) if block.language == "sh" else ():
            program = f"dicom {words[0]}" if program == "dicom" else program
            shown = helps[program][1] if program in helps else None
            options = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
            # What a bench does not know is for process.py or train.py.
            known = {shown, *(helps[name][1] for name in ("process.py", "train.py") if "bench" in program)}
            for option in options if shown else ():
                assert any(re.search(rf"(?<![\w-]){option}(?![\w-])", str(one)) for one in known), (
                    program,
                    option,
                )


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("path", WITH_COMMANDS, ids=name_of)
def test_commands_of_a_page_run(path, checkout):
    """From top to bottom, as they stand, in a copy of the project."""
    ran = 0
    for block in blocks(path, ROOT):
        if block.needs:
            continue
        code = block.code
        for usual, short in SHORTER:
            code = re.sub(usual, short, code)
        shell = ["bash", "-euo", "pipefail", "-c", code]
        command = shell if block.language == "sh" else [sys.executable, "-c", code]
        path_of = f"{checkout / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path_of, "VIRTUAL_ENV": str(checkout / ".venv")}
        done = subprocess.run(
            command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=3600
        )
        assert done.returncode == 0, f"{block.code}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        ran += 1
    assert ran
