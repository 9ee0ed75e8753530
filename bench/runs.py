"""Trainings that a bench starts."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run_once(command: list[str], result: Path, environment: dict[str, str] | None = None) -> bool:
    """Run a command that writes the result, unless that is there from the same command; whether it was run."""
    record, line = result.with_suffix(".txt"), " ".join(command)
    if result.exists() and record.exists() and record.read_text() == line:
        return False
    print(line, flush=True)
    record.unlink(missing_ok=True)
    subprocess.run(command, check=True, cwd=ROOT, env=environment)
    record.write_text(line)
    return True
