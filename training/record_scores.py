"""Put an evaluation's summary into a weights file's provenance: python -m training.record_scores WEIGHTS JSON "DATA".

JSON is what `evaluate.py --json` wrote; DATA says in words what was scored.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from model.network.bundle import load_bundle, save_bundle


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("scores", type=Path)
    parser.add_argument("data", help="what was scored, in words")
    args = parser.parse_args(arguments)
    bundle = load_bundle(args.weights)
    summary = json.loads(args.scores.read_bytes())["summary"]
    scores = {"metrics": {"data": args.data, "summary": summary}}
    bundle = dataclasses.replace(bundle, provenance=bundle.provenance | scores)
    save_bundle(bundle, args.weights, None)
    print(f"recorded {len(summary)} figures in {args.weights}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
