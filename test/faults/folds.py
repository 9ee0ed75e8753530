"""Folds: lists of cases of one's own, and folds joined to one weights file."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from faults.fault import Expected, Fault, fine, refused
from faults.materials import PLAN, bundle
from faults.training import save_cases, train

from evaluation.metrics import score
from evaluation.run import CaseResult
from model.network.bundle import load_bundle, save_bundle
from model.network.unet import UNet
from training.results import FoldResult, write_result
from training.validate import LEAST_CM3, SETTINGS

FAULTS = []

# Which cases each fold has, of two: a and b. -------------------------------------------------------------------------
GOOD = {"train": ["a"], "val": ["b"]}
SPLITS: dict[str, Any] = {
    "empty": "", "text": "garbage", "an object": GOOD, "a number": 3, "no split": [], "null": [None], "a list": [["a", "b"]],
    "without val": [{"train": ["a"]}], "a third list": [GOOD | {"test": ["b"]}], "names that are numbers": [GOOD | {"val": [1]}],
    "a name for a list": [GOOD | {"val": "b"}], "nobody held out": [GOOD | {"val": []}], "nobody to train on": [GOOD | {"train": []}],
    "a name of no case": [GOOD | {"val": ["c"]}], "a name with a line break": [GOOD | {"val": ["b\nb"]}],
    "a case twice": [GOOD | {"train": ["a", "a"]}], "a case in both": [GOOD | {"val": ["a"]}], "a second one that is wrong": [GOOD, {}],
    "1001 splits": [GOOD] * 1001, "deep": "[" * 100_000, "one of zeros": bytes(5000).decode(), "not UTF-8": b"[\xff]",
}  # fmt: skip


def splits(content: Any, *options: str) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        save_cases(folder, "masks")
        text = content if isinstance(content, (str, bytes)) else json.dumps(content)
        (folder / "splits.json").write_bytes(text if isinstance(text, bytes) else text.encode())
        places = ["--splits", str(folder / "splits.json"), "--minutes", "0.002", "--no-validation"]
        return train(folder, *places, *(options or ("--fold", "0")))

    return make


def missing(folder: Path) -> list[str]:
    command = splits([GOOD])(folder)
    (folder / "splits.json").unlink()
    return command


for what, content in SPLITS.items():
    expected = refused(r"^error: .*/splits\.json: [^;]+; ")
    FAULTS.append(Fault("folds", f"--splits: {what}", splits(content), expected))
for what, make, expected in (
    ("not there", missing, refused(r"^error: .*/splits\.json: no such file; ")),
    ("too few of them", splits([GOOD], "--fold", "1"), refused(r"^error: --fold: 1 of 1, in .*/splits\.json; give a lower")),
    ("nothing", splits([GOOD]), fine(results=("w.pt",))),
):  # fmt: skip
    FAULTS.append(Fault("folds", f"--splits: {what}", make, expected))


# One file of several folds. ------------------------------------------------------------------------------------------
def done(folder: Path) -> None:
    """Two folds that are done: weights in folder/w, results in folder/work."""
    for fold in range(2):
        path, usual = folder / "w" / f"{fold}.pt", bundle()
        path.parent.mkdir(exist_ok=True)
        torch.manual_seed(1 + fold)
        save_bundle(replace(usual, states=(UNet(PLAN).state_dict(),)), path)
        masks = np.random.default_rng(fold).random((2, 4, 6, 6)) < 0.5
        scores = {name: score(*masks, (3.0, 1.0, 1.0), (1.0,)) for name in SETTINGS.structures}
        tables = (np.full((len(LEAST_CM3), 2), 0.5),)
        tensors = load_bundle(path).fingerprint_of_tensors
        work = folder / "work" / f"fold_{fold}"
        work.mkdir(parents=True)
        write_result(
            FoldResult(str(fold), path, tensors, (CaseResult("ab"[fold], scores, ()),), tables), work
        )


def join(
    spoil: Callable[[Path], object], *words: str, out: str = "{}/out/e.pt"
) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        done(folder)
        spoil(folder)
        places = ["--work", str(folder / "work"), "--out", out.format(folder)]
        return ["training.join", *(word.format(folder) for word in words), *places]

    return make


def result(**changes: object) -> Callable[[Path], None]:
    """Other content of the second fold's result."""

    def spoil(folder: Path) -> None:
        path = folder / "work" / "fold_1" / "result.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return spoil


def text(content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "work" / "fold_1" / "result.json").write_text(content)


def weights(content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "w" / "1.pt").write_bytes(content)


def case(**changes: object) -> dict[str, Any]:
    """A case's entry that lacks all but this."""
    return {"b": {"scores": {}, "dsc_by_least_cm3": []} | changes}


def another_patch(folder: Path) -> None:
    save_bundle(replace(load_bundle(folder / "w" / "1.pt"), patch_zyx=(24, 40, 40)), folder / "w" / "1.pt")


def forget(folder: Path) -> None:
    (folder / "work" / "fold_1" / "result.json").unlink()


def same(folder: Path) -> None:
    (folder / "w" / "2.pt").write_bytes((folder / "w" / "0.pt").read_bytes())


def nothing(folder: Path) -> None:
    """As it is."""


RESULT = refused(r"^error: .*/fold_1/result\.json: [^;]+; delete it and train that fold again")
BOTH = ("{}/w/0.pt", "{}/w/1.pt")
JOINS: dict[str, tuple[Callable[[Path], list[str]], Expected]] = {
    "a case that two folds held out": (
        join(lambda folder: (folder / "work/fold_1/result.json").write_text(
            (folder / "work/fold_1/result.json").read_text().replace('"b": {', '"a": {'))),
        refused("case a is held out by fold 0 \\(0.pt\\) and by fold 1"),
    ),
    "a result of 0 bytes": (join(text("")), RESULT), "a result that is a list": (join(text("[]")), RESULT),
    "a result without keys": (join(text("{}")), RESULT), "a deep result": (join(text("[" * 100_000)), RESULT),
    "a result of another version": (join(result(least_cm3=[0, 1])), RESULT), "a fold that is a number": (join(result(fold=1)), RESULT),
    "a fold of two lines": (join(result(fold="1\n2")), RESULT),
    "cases that are a list": (join(result(cases=["b"])), RESULT), "a case without scores": (join(result(cases=case())), RESULT),
    "scores that are text": (join(result(cases=case(scores={"GTVp": "x", "GTVnd": "x"}))), RESULT),
    "weights of a strange name": (join(result(weights="a\0b")), RESULT), "weights of half a name": (join(result(weights="\ud800")), RESULT),
    "one fold": (join(forget), refused(r"^error: .*/work: 1 folds that are done .*; train more of them")),
    "weights that are gone": (
        join(lambda folder: (folder / "w" / "1.pt").unlink()), refused(r"^error: .*/1\.pt: no such weights file; "),
    ),
    "weights of 0 bytes": (join(weights(b"")), refused(r"^error: .*/1\.pt: [^;]+; ")),
    "weights of text": (join(weights(b"garbage" * 99)), refused(r"^error: .*/1\.pt: [^;]+; ")),
    "another patch": (join(another_patch), refused(r"^error: .*/1\.pt: its patch is not that of .*/0\.pt; ")),
    "a file twice": (join(nothing, BOTH[0], BOTH[0]), refused(r"^error: .*/0\.pt: given twice; ")),
    "a network twice": (join(same, BOTH[0], "{}/w/2.pt"), refused(r"^error: .*/2\.pt: the same network as in .*/0\.pt; ")),
    "one file": (join(nothing, BOTH[0]), refused(r"^error: weights: one file is no ensemble; ")),
    "scores of one alone": (join(forget, *BOTH), refused(r"^error: .*/1\.pt: no scores of its held-out cases are kept")),
    "--out is one of them": (join(nothing, *BOTH, out="{}/w/0.pt"), refused(r"^error: --out: .* is one of those to join; ")),
    "--out is a folder": (join(nothing, out="{}/w"), refused(r"^error: [^;]+; ")),
    "--out below a file": (join(nothing, out="{}/w/0.pt/e.pt"), refused(r"^error: [^;]+; ")),
    "nothing": (join(nothing), fine(results=("e.pt",))),
    "nothing, files named": (join(nothing, *BOTH), fine(results=("e.pt",))),
}  # fmt: skip
FAULTS += [Fault("folds", f"join: {what}", make, expected) for what, (make, expected) in JOINS.items()]
