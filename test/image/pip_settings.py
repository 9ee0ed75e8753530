"""Write this machine's pip settings as a pip.conf for the image build; print the local folders that they name.

python pip_settings.py PIP_CONF. Only where packages come from is taken over; a constraint keeps the tested torch. That
Debian's pip refuses a plain install (PEP 668) is left to the Dockerfile.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

SOURCES = {"index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "proxy"}
TRANSPORT = {"cert", "client-cert", "timeout", "default-timeout", "retries"}


def main(target: Path) -> None:
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    settings: dict[str, str] = {}
    for section in ("global", "install", ":env:"):  # later ones win, as in pip
        for key, value in re.findall(rf"^{section}\.([\w-]+)=(.*)$", listed, re.MULTILINE):
            if key in SOURCES | TRANSPORT:
                settings[key] = " ".join(ast.literal_eval(value).split())
    print("".join(f"{path}\n" for path in sorted(local_paths(settings)) if path.exists()), end="")
    settings["constraint"] = "/etc/pip-constraints.txt"
    target.write_text("[global]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items()))


def local_paths(settings: dict[str, str]) -> set[Path]:
    words = " ".join(settings.values()).split()
    plain = {Path(word) for word in words if word.startswith("/")}
    urls = {Path(word.removeprefix("file://")) for word in words if word.startswith("file:///")}
    parents = {path.parent for path in urls if path.parent != Path("/")}  # an index links to files beside it
    return plain | parents


if __name__ == "__main__":
    main(Path(sys.argv[1]))
