"""Check an image from within, under the run's restrictions: python3 check_inside.py PACKAGES_OF_THE_BASE MODEL_FILES.

PACKAGES_OF_THE_BASE is `pip list --format=freeze` of the base image, MODEL_FILES the paths below model/ that the image
must hold, one a line. Standard library only. Exits with a message at the first fault; prints one line per restriction
that this machine could not put in force.
"""

import importlib.metadata as metadata
import os
import re
import sys
from pathlib import Path

PRODUCT = ["torch", "SimpleITK", "numpy", "scipy"]
CONTENTS = {"process.py", "model", "weights", "__pycache__"}


def main(base_packages: str, model_files: str) -> None:
    check(os.getuid() != 0, "it runs as root")
    check_files(Path("/opt/app"), set(model_files.split()))
    check_packages(set(re.findall(r"^([\w.-]+)==", base_packages, re.MULTILINE)))
    check_restrictions()


def check_files(app: Path, model_files: set[str]) -> None:
    """Everything is readable, the product is whole, and there is nothing else."""
    hidden = [str(path) for path in (app, *app.rglob("*")) if not os.access(path, os.R_OK)]
    check(not hidden, f"not readable for uid {os.getuid()}: {hidden}")
    extra = {path.name for path in app.iterdir()} - CONTENTS
    check(not extra, f"more than the product in {app}: {extra}")
    model = app / "model"
    files = {str(path.relative_to(model)) for path in model.rglob("*") if path.is_file()}
    files = {name for name in files if not name.endswith(".pyc")}
    check(not model_files - files, f"missing in model/: {sorted(model_files - files)}")
    check(not files - model_files, f"more than the product in model/: {sorted(files - model_files)}")
    check(any(app.rglob("*.pyc")), "nothing was byte-compiled")


def check_packages(base: set[str]) -> None:
    """Nothing was installed but the four and what they depend on."""
    allowed = {normal(name) for name in base}
    waiting = list(PRODUCT)
    while waiting:
        name = waiting.pop()
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # for another platform
            check(name not in PRODUCT, f"{name} is not installed")
            continue
        allowed.add(normal(name))
        needed = [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in requires if "extra ==" not in line]
        waiting += [name for name in needed if normal(name) not in allowed]
    extra = {normal(package.metadata["Name"]) for package in metadata.distributions()} - allowed
    check(not extra, f"packages beyond the four and their dependencies: {extra}")


def check_restrictions() -> None:
    status = dict(re.findall(r"^(\w+):\s*(\S+)", Path("/proc/self/status").read_text(), re.MULTILINE))
    check(int(status["CapEff"], 16) == 0, f"capabilities {status['CapEff']}")
    check(status["NoNewPrivs"] == "1", "new privileges can be gained")
    interfaces = set(os.listdir("/sys/class/net"))
    check(interfaces <= {"lo"}, f"network interfaces {interfaces}")
    check(os.statvfs("/").f_flag & os.ST_RDONLY != 0, "the root file system is writable")
    check(os.access("/tmp", os.W_OK), "/tmp is not writable")
    for name, *files in (
        ("memory", "memory.max", "memory/memory.limit_in_bytes"),
        ("pids", "pids.max", "pids/pids.max"),
    ):
        paths = [Path("/sys/fs/cgroup") / file for file in files]
        limits = [path.read_text().strip() for path in paths if path.exists()]
        if any(limit.isdigit() and int(limit) < 1 << 50 for limit in limits):
            print(f"{name} limit {limits[0]}")
        else:
            print(f"WARNING: the {name} limit could not be seen in force: {limits}")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def check(holds: bool, message: str) -> None:
    if not holds:
        sys.exit(f"fault: {message}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
