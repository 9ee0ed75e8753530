#!/usr/bin/env bash
# Every row that needs a GPU, in about twenty minutes: bash bench/gpu.sh --out OUT [--nnunet-python VENV/bin/python]
# To try it without one, in a few: bash bench/gpu.sh --out OUT --device cpu --quick
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${PYTHON:-.venv/bin/python}" -m bench.gpu "$@"
