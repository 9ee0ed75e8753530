"""Runs targets under atheris (libFuzzer), in forked children that may die: those that do have found something.

libFuzzer ends a child at an exception, a crash, ten seconds or two gigabytes, and writes down the input.
"""

import hashlib
import os
import random
import re
import resource
import shutil
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # a process with threads cannot be forked safely

import atheris

with atheris.instrument_imports(include=["model", "training", "dicom"]):
    from fuzz.mutate import spoil
    from fuzz.targets import TARGETS, tolerant

LIMITS = ["-timeout=10", "-rss_limit_mb=2048", "-max_len=65536"]
ADDRESS_SPACE = 8 << 30
# Share of the inputs that are spoilt with knowledge of formats; libFuzzer spoils the others.
OURS = 0.5


@dataclass(frozen=True)
class Find:
    """An input, and what became of it in a few words."""

    path: Path
    what: str


def fuzz(name: str, folder: Path, seconds: float, seed: int) -> tuple[int, list[Find]]:
    """How many inputs a target was given, and one find of each kind. Makes folder/corpus and folder/finds."""
    corpus, finds_folder = folder / "corpus", folder / "finds"
    for needed in (corpus, finds_folder):
        needed.mkdir(parents=True, exist_ok=True)
    for content in TARGETS[name].seeds:
        (corpus / hashlib.sha1(content).hexdigest()).write_bytes(content)
    inputs, finds, end = 0, {}, time.monotonic() + seconds
    while (left := round(end - time.monotonic())) >= 1:
        places = [str(corpus), f"-artifact_prefix={finds_folder}/"]
        text = in_child(name, *places, f"-max_total_time={left}", f"-seed={seed}")
        counts = re.findall(r"^#(\d+)\t", text, re.MULTILINE)
        inputs, seed = inputs + int(counts[-1] if counts else 0), seed + 1
        if artifact := re.search(r"Test unit written to (.+)", text):
            path, what = Path(artifact[1]), what_happened(text)
            if finds.setdefault(what, path) != path:
                path.unlink(missing_ok=True)
        elif "Done " not in text:
            raise RuntimeError(f"{name} does not run: {text[-2000:]}")
    return inputs, [Find(path, what) for what, path in finds.items()]


def replay(name: str, path: Path) -> str:
    """What becomes of one input; empty where all is well."""
    text = in_child(name, str(path), f"-artifact_prefix={tempfile.gettempdir()}/")
    return "" if f"Executed {path}" in text else what_happened(text)


def in_child(name: str, *options: str) -> str:
    """All that is printed by a child that runs a target with libFuzzer's options."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryDirectory() as folder:
        child = os.fork()
        if child == 0:
            for stream in (1, 2):
                os.dup2(output.fileno(), stream)
            try:
                _run_target(name, [*options, *LIMITS], Path(folder))
            finally:
                os._exit(1)
        os.waitpid(child, 0)
        output.seek(0)
        return output.read().decode("utf-8", "replace")


def _run_target(name: str, options: list[str], folder: Path) -> None:
    target, case = TARGETS[name], folder / "case"
    prefix = next(option for option in options if option.startswith("-artifact_prefix=")).partition("=")[2]
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))

    def feed(data: bytes) -> None:
        shutil.rmtree(case, ignore_errors=True)
        case.mkdir()
        try:
            tolerant(target.feed, data, case)
        except BaseException:  # as libFuzzer does for a crash
            traceback.print_exc()
            path = Path(f"{prefix}exception-{hashlib.sha1(data).hexdigest()}")
            path.write_bytes(data)
            print(f"Test unit written to {path}", file=sys.stderr, flush=True)
            os._exit(1)

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        random_ = random.Random(seed)
        return spoil(data, random_)[:most] if random_.random() < OURS else atheris.Mutate(data, most)

    atheris.Setup([sys.argv[0], *options], feed, custom_mutator=mutated)
    atheris.Fuzz()


def what_happened(text: str) -> str:
    """The exception and where it was raised, or what libFuzzer says."""
    said = re.search(r"ERROR: libFuzzer: (.+)", text)
    if said:
        return said[1]
    traces = text.split("Traceback (most recent call last):\n")
    places = re.findall(r'File ".*?/((?:model|training|dicom)/[^"]+)", line (\d+)', traces[-1])
    kinds = re.findall(r"^(\w[\w.]*(?:Error|Exception|Interrupt)\b.*)", traces[-1], re.MULTILINE)
    if kinds:
        return f"{kinds[-1][:200]} at {':'.join(places[-1]) if places else 'the target'}"
    return "it died"
