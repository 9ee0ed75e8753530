"""Every program that a user may start."""

import json
import subprocess
import sys
from pathlib import Path

BENCHES = [
    "ablation",
    "cohort",
    "confidence",
    "evaluator",
    "froc",
    "gpu",
    "guard",
    "iteration",
    "loader",
    "losses",
    "page",
    "phantom_organs",
    "precision",
    "profile",
    "quality",
    "real_patients",
]
BENCHES += ["robustness", "search", "train_vs_nnunet", "training_memory", "nnunet.inference", "nnunet.v1"]
PROGRAMS = ["process.py", "evaluate.py", "evaluate_submission.py", "train.py"]
PROGRAMS += ["phantom", "model.importing", "dicom"]
PROGRAMS += [f"dicom {name}" for name in ("segment", "to-rtstruct", "to-seg", "from-rtstruct", "from-seg")]
PROGRAMS += [f"training.{name}" for name in ("join", "least", "record_scores", "openkbp", "grafts")]
PROGRAMS += [f"bench.{name}" for name in BENCHES]

# In one process, so that what all load is loaded once. What takes seconds to load must not be needed.
ALL = """
import io, json, runpy, sys
for name in ("torch", "matplotlib"):
    sys.modules[name] = None  # importing it raises ImportError
texts, real = {}, sys.stdout
for program in json.loads(sys.argv[1]):
    name, *command = program.split()
    sys.argv = [name, *command, "--help"]
    sys.stdout = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    try:
        (runpy.run_path if name.endswith(".py") else runpy.run_module)(name, run_name="__main__")
        code = None
    except SystemExit as end:
        code = end.code
    except ImportError as error:
        code = str(error)
    sys.stdout.seek(0)
    texts[program] = [code, sys.stdout.read()]
sys.stdout = real
print(json.dumps(texts))
"""


def help_of_all(root: Path) -> dict[str, tuple[object, str]]:
    """Exit code and text by program."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ALL, json.dumps(PROGRAMS)],
        cwd=root,
        env={"COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
