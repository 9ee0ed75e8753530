"""Every row that needs a GPU, in about twenty minutes: bash bench/gpu.sh --out OUT [--nnunet-python VENV/bin/python].

Each row is a command in a process of its own; one that fails, or takes longer than it may, leaves its reason and not
the others. OUT/gpu.json has all figures, OUT/gpu.md the table. Exit code 1 where a row has no figures.
--device cpu --quick tries the script itself, on small cases: its figures say nothing of a GPU.
"""

import argparse
import sys
from pathlib import Path

from model.installed import BUNDLED
from model.options import OUT, Parser

EXAMPLES = ("bash bench/gpu.sh --out build/gpu", "bash bench/gpu.sh --out build/gpu --device cpu --quick")
EXITS = "0 done, 1 a row has no figures, 2 bad options"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m bench.gpu", description=__doc__, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add(*OUT, type=Path, required=True, metavar="FOLDER", help="for gpu.json and gpu.md")
    add("--nnunet-python", type=Path, metavar="P", help="a Python with nnunetv2, for the row beside it")
    add("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: to try the script")
    add("--quick", action="store_true", help="small cases, to try the script")
    add("--only", nargs="+", metavar="ROW", help="these rows alone")
    add("--weights", type=Path, default=BUNDLED, help="weights file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments(None)  # --help, and what makes no sense, before what takes seconds to load

import json
import os
import platform
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import torch

from bench.nnunet.case import FILES, write_case
from bench.nnunet.inference import segrap_bundle
from bench.runs import ROOT
from model.network.bundle import save_bundle

Figures = dict[str, float]
# The challenge's T4 has 16 GB, of which the system and CUDA keep about one.
T4_GB = 15


@dataclass(frozen=True)
class Row:
    """One command. read: the figures that its output holds."""

    name: str
    command: list[str]
    read: Callable[[str], Figures]
    minutes: float = 4
    environment: dict[str, str] = field(default_factory=dict)


def main(arguments: list[str] | None = None) -> int:
    args = parse_arguments(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        about = prepare(Path(name), args)
        for row in rows(Path(name), args):
            if args.only and row.name not in args.only:
                continue
            results.append(result_of(row))
            write(args.out, about, results)  # what is measured stays, whatever comes
            print(f"{row.name}: {results[-1]['error'] or results[-1]['figures']}", flush=True)
    return 1 if any(result["error"] for result in results) else 0


def prepare(work: Path, args: argparse.Namespace) -> dict[str, str]:
    """The phantom, once and twice, and weights of the challenge's plan; returns what machine it is."""
    case = argparse.Namespace(case="crop" if args.quick else "full", seed=2026, pair=None)
    with ProcessPoolExecutor(1) as pool:  # Linux counts a parent's memory as its children's peak
        pool.submit(write_case, work / "case", case).result()
        pool.submit(write_challenge_plan, work / "segrap.pt").result()
        about = pool.submit(machine, args.device).result()  # here it would keep some of the GPU
    for folder, names in (("once", ["case"]), ("twice", ["another", "case"])):
        for name in names:
            (work / folder / name).mkdir(parents=True)
            for file in FILES:
                (work / folder / name / file).symlink_to(work / "case" / file)
    return about


def write_challenge_plan(path: Path) -> None:
    save_bundle(segrap_bundle(), path)


def rows(work: Path, args: argparse.Namespace) -> list[Row]:
    """In order of worth, should time run out. The challenge's plan has random weights: all is in doubt everywhere."""

    def inference(name: str, given: str, weights: Path = args.weights, **environment: str) -> Row:
        command = [sys.executable, str(ROOT / "bench/nnunet/gtvseg_side.py"), "--input", str(work / given)]
        command += ["--output", str(work / name.replace(" ", "-")), "--weights", str(weights)]
        command += ["--layout", "folder", "--device", args.device]
        read = (lambda text: {}) if "FIRST_WINDOW" in environment else last_line
        return Row(name, command, read, 6, environment)

    def bench(name: str, module: str, read: Callable[[str], Figures], *options: str) -> Row:
        return Row(name, [sys.executable, "-m", f"bench.{module}", "--device", args.device, *options], read)

    few = ["--iterations", "4" if args.quick else "40"]
    table = [
        inference("whole case cold", "once"),
        inference("whole case warm", "twice"),
        inference("first window", "once", FIRST_WINDOW="1"),
        inference(f"whole case in {T4_GB} GB", "twice", GPU_MEMORY_GB=str(T4_GB)),
        bench("training", "loader", loader, *few),
        bench("iteration", "iteration", iteration, *few),
        bench("one pass", "precision", passes, "--passes", "2" if args.quick else "8"),
    ]
    if args.nnunet_python:
        options = ["--nnunet-python", str(args.nnunet_python), "--warm", "--weights", str(args.weights)]
        options += ["--case", "crop" if args.quick else "full"]
        table.insert(3, bench("beside nnU-Net", "nnunet.inference", ratios, *options))
    if not args.quick:
        plan = inference(
            f"challenge plan in {T4_GB} GB", "once", work / "segrap.pt", GPU_MEMORY_GB=str(T4_GB)
        )
        table += [bench("memory estimate", "training_memory", estimates), plan]
    return table


def result_of(row: Row) -> dict[str, Any]:
    """Its figures and seconds, or why there are none."""
    start, figures, error = time.perf_counter(), {}, ""
    try:
        done = subprocess.run(
            row.command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            cwd=ROOT,
            env=os.environ | row.environment,
            timeout=60 * row.minutes,
            check=False,
        )
        figures = row.read(done.stdout)
        if done.returncode:  # also of a bench whose figures are below its floor: they stay
            error = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    except subprocess.TimeoutExpired:
        error = f"longer than {row.minutes:g} minutes"
    except (ValueError, IndexError) as problem:
        error = f"no figures in its output ({problem})"
    figures["seconds of the whole command"] = round(time.perf_counter() - start, 3)
    return {"name": row.name, "command": row.command, "figures": figures, "error": error}


def last_line(text: str) -> Figures:
    """Of gtvseg_side.py: seconds, passes, bytes."""
    figures: Figures = json.loads(text.splitlines()[-1])
    return figures


def loader(text: str) -> Figures:
    names = ("patches/s, fresh batches", "patches/s, one cached batch", "loader's share")
    return found(names, r"fresh batches ([\d.]+), one cached batch ([\d.]+), share ([\d.]+)", text)


def iteration(text: str) -> Figures:
    return {name.strip(): float(ms) for name, ms in re.findall(r"^(\w+) +([\d.]+)", text, re.MULTILINE)}


def passes(text: str) -> Figures:
    lines = re.findall(r"^(\S.*?) +([\d.]+) s   error", text, re.MULTILINE)
    if not lines:
        raise ValueError("no pass was timed")
    return {f"seconds, {' '.join(way.split())}": float(seconds) for way, seconds in lines}


def ratios(text: str) -> Figures:
    names = ("nnU-Net / gtvseg, whole case", "network", "all but the network", "peak memory")
    number = r"([\d.]+)"
    line = f"whole case {number}, network {number}, all but the network {number}, peak memory {number}"
    return found(names, line, text)


def estimates(text: str) -> Figures:
    off = [abs(float(percent)) for percent in re.findall(r"([+-]\d+)%$", text, re.MULTILINE)]
    return {"plans": len(off), "farthest estimate, %": max(off)}


def found(names: tuple[str, ...], pattern: str, text: str) -> Figures:
    match = re.search(pattern, text)
    if match is None:
        raise ValueError("its last line was not printed")
    return {name: float(value) for name, value in zip(names, match.groups(), strict=True)}


def machine(device: str) -> dict[str, str]:
    gpu = device == "cuda" and torch.cuda.is_available()
    return {
        "device": torch.cuda.get_device_name() if gpu else f"{device}: not a GPU",
        "memory": f"{torch.cuda.get_device_properties(0).total_memory / 1e9:.1f} GB" if gpu else "",
        "torch": f"{torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}",
        "python": platform.python_version(),
        "cores": str(os.cpu_count()),
    }


def write(out: Path, about: dict[str, str], results: list[dict[str, Any]]) -> None:
    content = {"machine": about, "rows": results}
    (out / "gpu.json").write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    lines = [", ".join(f"{name} {value}" for name, value in about.items() if value), ""]
    lines += ["| row | figure | value |", "|---|---|---|"]
    for result in results:
        lines += [f"| {result['name']} | {name} | {value:g} |" for name, value in result["figures"].items()]
        lines += [f"| {result['name']} | failed | {result['error']} |"] if result["error"] else []
    (out / "gpu.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
