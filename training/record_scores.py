"""Put an evaluation's summary into a weights file's provenance: python -m training.record_scores WEIGHTS JSON "DATA".

JSON is what `evaluate.py --json` wrote; DATA says in words what was scored.
"""

import argparse
import dataclasses
import json
from pathlib import Path

from model.network.bundle import load_bundle, save_bundle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("scores", type=Path)
    parser.add_argument("data", help="what was scored, in words")
    args = parser.parse_args()
    bundle = load_bundle(args.weights)
    summary = json.loads(args.scores.read_text())["summary"]
    metrics = {"data": args.data, "summary": summary}
    save_bundle(
        dataclasses.replace(bundle, provenance=bundle.provenance | {"metrics": metrics}), args.weights, None
    )
    print(f"recorded {len(summary)} figures in {args.weights}")


if __name__ == "__main__":
    main()
