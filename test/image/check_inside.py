"""Check an image from within, under the run's restrictions: python3 check_inside.py PACKAGES_OF_THE_BASE.

The argument is `pip list --format=freeze` of the base image. Standard library only. Exits with a message at the first
fault; prints one line per restriction that this machine could not put in force.
"""

import importlib.metadata as metadata
import os
import re
import sys
from pathlib import Path

PRODUCT = ["torch", "SimpleITK", "numpy", "scipy"]
CONTENTS = {"process.py", "model", "weights", "__pycache__"}
ROOMS = {"images", "network", "preprocessing", "inference", "__pycache__"}


def main(base_packages: str) -> None:
    check(os.getuid() != 0, "it runs as root")
    check_files(Path("/opt/app"))
    check_packages(set(re.findall(r"^([\w.-]+)==", base_packages, re.MULTILINE)))
    check_restrictions()


def check_files(app: Path) -> None:
    hidden = [str(path) for path in (app, *app.rglob("*")) if not os.access(path, os.R_OK)]
    check(not hidden, f"not readable for uid {os.getuid()}: {hidden}")
    extra = {path.name for path in app.iterdir()} - CONTENTS
    check(not extra, f"more than the product in {app}: {extra}")
    rooms = {path.name for path in (app / "model").iterdir() if path.is_dir()}
    check(rooms == ROOMS, f"folders of model/ are {rooms}, not {ROOMS}: the importer stays outside")
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
    extra = {normal(found.metadata["Name"]) for found in metadata.distributions()} - allowed
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
        found = [
            path.read_text().strip() for file in files if (path := Path("/sys/fs/cgroup") / file).exists()
        ]
        limited = any(value.isdigit() and int(value) < 1 << 50 for value in found)
        print(
            f"{name} limit {found[0]}"
            if limited
            else f"WARNING: the {name} limit could not be seen in force: {found}"
        )


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def check(holds: bool, message: str) -> None:
    if not holds:
        sys.exit(f"fault: {message}")


if __name__ == "__main__":
    main(sys.argv[1])
