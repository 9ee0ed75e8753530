"""Write this machine's pip settings as a pip.conf for the image build; print the local paths that they name.

python pip_settings.py PIP_CONF. Adds what the stand-in base needs: Debian's pip wants to be told that it may install
system-wide, and a constraint that keeps the CPU build of torch.
"""

import re
import subprocess
import sys
from pathlib import Path


def main(target: Path) -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    settings = dict(re.findall(r"^(?:global|:env:)\.([\w-]+)='(.*)'$", listed, re.MULTILINE))
    values = " ".join(settings.values())
    paths = {Path(path) for path in re.findall(r"(?:^|(?<=\s))(/\S+)", values)}
    paths |= {
        Path(path).parent for path in re.findall(r"file://(/\S+)", values)
    }  # an index links to files beside it
    print("".join(f"{path}\n" for path in sorted(paths) if path.exists()), end="")
    settings.pop("constraint", None)
    settings |= {"break-system-packages": "true", "constraint": "/etc/pip-constraints.txt"}
    target.write_text("[global]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
