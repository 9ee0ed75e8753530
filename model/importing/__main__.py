"""python -m model.importing MODEL_DIR --out FILE: see model/importing/v2.py."""

import sys

from model.importing.v2 import main

if __name__ == "__main__":
    sys.exit(main())
