"""Training: labels and their names, files, options, plans, what a work folder holds; and the commands beside it."""

import json
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from faults.fault import Expected, Fault, fine, refused
from faults.materials import SHAPE, bundle, patient, save

from model.network.bundle import Normalisation, save_bundle
from training.data.plans import DataPlan
from training.run.loss import LossPlan
from training.run.plan import TrainPlan
from training.run.state import fresh_state

CONFIG = {
    "spacing_zyx": [6, 4, 4], "patch_zyx": [8, 16, 16], "features": [2, 4], "kernels": [[3, 3, 3]] * 2, "batch": 1,
    "strides": [[1, 1, 1], [2, 2, 2]],
    "normalisation": [{"lower": -1000, "upper": 1000, "mean": 0, "std": 100}] * 2,
}  # fmt: skip
SHORT = ("--fold", "all", "--minutes", "0.002")
Spoil = Callable[[Path], object]


def label_map() -> np.ndarray:
    """uint8 0/1/2 (z, y, x)."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[8:12, 15:20, 15:20] = 1
    labels[14:17, 22:25, 22:25] = 2
    return labels


def save_cases(folder: Path, layout: str, names=("a", "b")) -> None:
    """folder/data in a layout: masks, map or nnunet; and a plan that is quickly trained by."""
    for name in names:
        if layout == "nnunet":
            root = folder / "data"
            save(patient(), root / "imagesTr" / f"{name}_0000.nii.gz")
            save(patient(contrast=True), root / "imagesTr" / f"{name}_0001.nii.gz")
            save(label_map(), root / "labelsTr" / f"{name}.nii.gz")
            continue
        case = folder / "data" / name
        save(patient(), case / "image.nii.gz")
        save(patient(contrast=True), case / "image_contrast.nii.gz")
        if layout == "map":
            save(label_map(), folder / "data" / "labels" / f"{name}.nii.gz")
        else:
            save((label_map() == 1).astype(np.uint8), case / "GTVp.nii.gz")
            save((label_map() == 2).astype(np.uint8), case / "GTVnd.nii.gz")
    (folder / "config.json").write_text(json.dumps(CONFIG))


def train(folder: Path, *options: str) -> list[str]:
    places = ["--out", str(folder / "out" / "w.pt"), "--work", str(folder / "work")]
    config = ["--config", str(folder / "config.json"), "--device", "cpu", "--jobs", "1"]
    return ["train", str(folder / "data"), *places, *config, *options]


def after(spoil: Spoil, layout: str = "masks", *options: str) -> Callable[[Path], list[str]]:
    """Two good cases, something done to them, a training of no length."""

    def make(folder: Path) -> list[str]:
        save_cases(folder, layout)
        spoil(folder)
        return train(folder, *(options or SHORT))

    return make


def told(words: str, count: str = "1 of 2") -> Expected:
    """A case's problem stands in the table; the error says how many have one."""
    error = rf"^error: training data: {count} cases cannot be used, see above; correct or remove them$"
    return replace(refused(error), logged=(words,))


def faults(name: str, make, expected: Expected) -> Fault:
    return Fault("training", name, make, expected)


# Labels that are none. -----------------------------------------------------------------------------------------------
LABELS = {
    "masks": "data/a/GTVnd.nii.gz", "map": "data/labels/a.nii.gz", "nnunet": "data/labelsTr/a.nii.gz",
}  # fmt: skip
VALUES = {"a half": 0.5, "a rim between node and background": 1.25, "negative": -1.0, "7": 7.0, "NaN": np.nan}
FAULTS = []
for layout, path in LABELS.items():
    for what, value in VALUES.items():

        def spoil(folder: Path, layout=layout, path=path, value=value) -> None:
            array = (label_map() == 2 if layout == "masks" else label_map()).astype(np.float32)
            array[0, 0, 0] = value
            save(array, folder / path)

        words = rf"{path.rpartition('/')[2]}: .*but its labels are 0 to"
        fault = faults(f"labels with {what}, {layout}", after(spoil, layout), told(words))
        FAULTS.append(replace(fault, slow=what in ("negative", "7", "NaN")))

# Names in dataset.json. ----------------------------------------------------------------------------------------------
GOOD = {"background": 0, "GTVp": 1, "GTVnd": 2}
DESCRIPTIONS = {
    "gtvnd and gtvp in the other order": ({"labels": {"gtvnd": 1, "gtvp": 2}}, "GTVp has label 2"),
    "GTV_nd 1, GTV_p 2": ({"labels": {"background": 0, "GTV_nd": 1, "GTV_p": 2}}, "GTVp has label 2"),
    "GTV-ND 1": ({"labels": {"background": 0, "GTV-ND": 1}}, "GTVnd has label 1"),
    "nodes and primary": ({"labels": {"background": 0, "nodes": 1, "primary": 2}}, "is called"),
    "v1 spelling, other order": ({"labels": {"1": "gtvnd", "2": "gtvp"}}, "GTVp has label 2"),
    "numbers as text, other order": ({"labels": {"GTVp": "2", "GTVnd": "1"}}, "GTVp has label 2"),
    "regions": ({"labels": {"background": 0, "GTVp": [1, 2], "GTVnd": [2]}}, "region-based"),
    "a third label": ({"labels": GOOD | {"larynx": 3}}, "label 3 is called larynx"),
    "fractions as values": ({"labels": {"GTVp": 1.5, "GTVnd": 2}}, "whole numbers"),
    "one value twice": ({"labels": {"GTVp": 1, "GTVnd": 1}}, "one number"),
    "labels as a list": ({"labels": ["GTVp", "GTVnd"]}, "no names with numbers"),
    "no labels": ({}, "no names with numbers"),
    "channels reversed": ({"labels": GOOD, "channel_names": {"0": "CT with contrast", "1": "CT"}}, "not first the CT"),
    "v1 channels reversed": ({"labels": GOOD, "modality": {"0": "CECT", "1": "NCCT"}}, "not first the CT"),
    "contrast, non-contrast": (
        {"labels": GOOD, "channel_names": {"0": "contrast", "1": "non-contrast"}}, "not first the CT",
    ),
    "three channels": ({"labels": GOOD, "channel_names": {"0": "CT", "1": "CE", "2": "PET"}}, "3 channel"),
    "one channel": ({"labels": GOOD, "channel_names": {"0": "CT"}}, "1 channel"),
    "MR": ({"labels": GOOD, "channel_names": {"0": "CT", "1": "MR"}}, "not first the CT"),
    "channels as a list": ({"labels": GOOD, "channel_names": ["CT", "CE"]}, "no names with numbers"),
    "no object": (3, "no JSON object"),
    "deep": ("[" * 100_000, "cannot be read as JSON"),
    "cut": ('{"labels": ', "cannot be read as JSON"),
    "a number without end": ('{"labels": {"GTVp": ' + "9" * 5000 + "}}", "cannot be read as JSON"),
    "an infinite number": ('{"labels": {"GTVp": 1e999, "GTVnd": 2}}', "whole numbers"),
}  # fmt: skip
for what, (content, words) in DESCRIPTIONS.items():

    def describe(folder: Path, content=content) -> None:
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / "data" / "dataset.json").write_text(text)

    expected = refused(rf"^error: .*/dataset\.json: .*{words}.*; ")
    FAULTS.append(faults(f"dataset.json: {what}", after(describe, "nnunet"), expected))
for what, content in {
    "small letters": {"labels": {"background": 0, "gtvp": 1, "gtv_nd": 2}},
    "v1 spelling": {
        "labels": {"0": "background", "1": "GTVp", "2": "GTVnd"},
        "modality": {"0": "CT", "1": "CT"},
    },
}.items():

    def describe(folder: Path, content=content) -> None:
        (folder / "data" / "dataset.json").write_text(json.dumps(content))

    FAULTS.append(faults(f"dataset.json: {what}", after(describe, "nnunet"), fine(results=("w.pt",))))


# Files. --------------------------------------------------------------------------------------------------------------
def copied(source: str, target: str) -> Spoil:
    def copy(folder: Path) -> None:
        (folder / "data" / target).parent.mkdir(exist_ok=True)
        shutil.copy(folder / "data" / source, folder / "data" / target)

    return copy


def gone(*paths: str) -> Spoil:
    return lambda folder: [(folder / "data" / path).unlink() for path in paths]


FILES: dict[str, tuple[str, Spoil, Expected]] = {
    "a mask called GTVn": ("masks", copied("a/GTVnd.nii.gz", "a/GTVn.nii.gz"), refused("a/GTVn.nii.gz: its name")),
    "two masks of a structure": ("masks", copied("a/GTVnd.nii.gz", "a/gtvnd.nii.gz"), refused("two masks of GTVnd")),
    "two images": ("masks", copied("a/image.nii.gz", "a/image.mha"), refused("two files for one thing")),
    "a case under two suffixes": (
        "nnunet", copied("imagesTr/a_0000.nii.gz", "imagesTr/a_0000.mha"), refused("two files for one thing"),
    ),
    "a third channel": ("nnunet", copied("imagesTr/a_0000.nii.gz", "imagesTr/a_0002.nii.gz"), refused("a_0002.nii.gz")),
    "no channel's number": ("nnunet", copied("imagesTr/a_0000.nii.gz", "imagesTr/c.nii.gz"), refused("c.nii.gz")),
    "labels without images": ("nnunet", copied("labelsTr/a.nii.gz", "labelsTr/c.nii.gz"), told("c_0000", "1 of 3")),
    "images without labels": ("nnunet", gone("labelsTr/a.nii.gz"), told("no GTVp, GTVnd or label map of case a")),
    "no contrast CT": ("masks", gone("a/image_contrast.nii.gz"), told("image_contrast.nii.gz: no such file")),
    "no mask of the nodes": ("masks", gone("a/GTVnd.nii.gz"), told("a: case a has GTVp but no GTVnd")),
    "no masks": ("masks", gone("a/GTVp.nii.gz", "a/GTVnd.nii.gz"), told("no GTVp, GTVnd or label map of case a")),
    "two label maps": ("map", copied("labels/a.nii.gz", "labels/a.mha"), refused("labels of case a in two places")),
    "an ignored mask of another name": (
        "masks", copied("a/GTVp.nii.gz", "a/ignored_part.nii.gz"), refused("a/ignored_part.nii.gz: its name"),
    ),
    "a linked case": (
        "masks",
        lambda folder: [(folder / "data/a").rename(folder / "a"), (folder / "data/a").symlink_to(folder / "a")],
        fine(results=("w.pt",)),
    ),
    "two cases of one name": ("masks", copied("a/image.nii.gz", "x/image.nii.gz"), told("x", "1 of 3")),
    "one case alone": (
        "masks", lambda folder: shutil.rmtree(folder / "data" / "b"), refused("no case is left to train on"),
    ),
    "no case": ("masks", lambda folder: shutil.rmtree(folder / "data"), refused("data: no such folder")),
    "an empty folder": (
        "masks", lambda folder: [shutil.rmtree(folder / "data" / name) for name in "ab"], refused("no training case"),
    ),
    "a CT without a body": (
        "masks", lambda folder: save(np.full(SHAPE, -1000, np.int16), folder / "data/a/image.nii.gz"),
        told("nothing denser than air"),
    ),
    "a tumour outside the body": (
        "masks", lambda folder: save(np.eye(40, dtype=np.uint8)[None].repeat(24, 0), folder / "data/a/GTVp.nii.gz"),
        told("of the tumour lies outside the body"),
    ),
    "a cut CT": (
        "masks", lambda folder: os.truncate(folder / "data/a/image.nii.gz", 3000), told("image.nii.gz: .*"),
    ),
    "a mask on another grid": (
        "masks", lambda folder: save(np.zeros((24, 40, 41), np.uint8), folder / "data/a/GTVp.nii.gz"),
        told("GTVp.nii.gz: .*"),
    ),
}  # fmt: skip
for what, (layout, spoil, expected) in FILES.items():
    options = ("--minutes", "0.002") if what == "one case alone" else SHORT
    FAULTS.append(faults(f"files: {what}", after(spoil, layout, *options), expected))

# Options. ------------------------------------------------------------------------------------------------------------
NONSENSE = {
    "train": {
        "--phantoms": "0|3", "--spacing": "nan,1,1|-3,1,1|0,1,1|1,1|1e5,1,1",
        "--memory-gb": "0|nan|inf", "--features": "0|1e6",
        "--folds": "0|1|50", "--fold": "7|-1|x", "--learning-rate": "0|-1|nan|inf", "--epochs": "0|1.5",
        "--minutes": "0|inf|nan", "--seed": "-1|99999999999", "--jobs": "0|100000", "--device": "tpu",
        "--nonsense": "1",
    },
    "phantom": {"--seed": "-1|x", "--cases": "0|nan", "--first": "-1", "--layout": "dicom", "--geometry": "huge"},
    "training.least": {"--device": "tpu", "--nonsense": "1"},
}  # fmt: skip


def with_option(program: str, option: str, text: str) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        word = f"{option}={text}"
        if program == "train":
            save_cases(folder, "masks")
            return train(folder, word)
        return [program, str(folder / "out" / "x"), *(["data"] if program == "training.least" else []), word]

    return make


for program, options_of in NONSENSE.items():
    for option, texts in options_of.items():
        for text in texts.split("|"):
            where = "data" if text == "3" else option + ("=1" if option == "--nonsense" else "")
            name = f"{program} {option} {text}"
            FAULTS.append(
                faults(name, with_option(program, option, text), refused(rf"^error: {where}: [^;]+; "))
            )

# A plan of one's own. ------------------------------------------------------------------------------------------------
PLANS = {
    "no object": "[3]", "deep": "[" * 100_000, "empty": "", "an unknown key": '{"patches": 3}',
    "batch 0": '{"batch": 0}',
    
    "batch as text": '{"batch": "2"}', "a huge batch": '{"batch": ' + "9" * 400 + "}",
    "patch 0": '{"patch_zyx": [0, 8, 8]}',
    "a huge patch": '{"patch_zyx": [4096, 4096, 4096]}', "a patch that does not fit": '{"patch_zyx": [8, 8, 9]}',
    "strides 0": '{"strides": [[1, 1, 1], [0, 2, 2]]}', "even kernels": '{"kernels": [[2, 2, 2], [2, 2, 2]]}',
    "features 0": '{"features": [0, 4]}', "one stage": '{"features": [4]}',
    "spacing NaN": '{"spacing_zyx": [NaN, 1, 1]}',
    "spacing infinite": '{"spacing_zyx": [1e999, 1, 1]}', "spacing negative": '{"spacing_zyx": [-3, 1, 1]}',
    "three channels": json.dumps({"normalisation": CONFIG["normalisation"][:1] * 3}),
    "std 0": json.dumps({"normalisation": [{"lower": 0, "upper": 1, "mean": 0, "std": 0}] * 2}),
    "lower above upper": json.dumps({"normalisation": [{"lower": 2, "upper": 1, "mean": 0, "std": 1}] * 2}),
}  # fmt: skip
for what, content in PLANS.items():

    def plan(folder: Path, content=content) -> None:
        (folder / "config.json").write_text(content)

    FAULTS.append(faults(f"--config: {what}", after(plan), refused(r"^error: .*/config\.json: [^;]+; ")))

# A recipe of one's own. ----------------------------------------------------------------------------------------------
RECIPES = {
    "no object": "[3]", "an unknown part": '{"rotation": 1}', "an unknown key": '{"sampling": {"x": 1}}',
    "NaN": '{"sampling": {"jitter": NaN}}', "from 2 to 1": '{"augmentation": {"scales": [2, 1]}}',
}  # fmt: skip
for what, content in RECIPES.items():

    def recipe(folder: Path, content: str = content) -> list[str]:
        save_cases(folder, "masks")
        (folder / "recipe.json").write_text(content)
        return train(folder, *SHORT, "--recipe", str(folder / "recipe.json"))

    FAULTS.append(faults(f"--recipe: {what}", recipe, refused(r"^error: .*/recipe\.json: [^;]+; ")))


# What lies in the work folder. ---------------------------------------------------------------------------------------
def planned(spoil: Spoil) -> Spoil:
    """The work folder of a run that had just planned, then spoilt."""

    def make(folder: Path) -> None:
        (folder / "work" / "fold_all").mkdir(parents=True)
        (folder / "work" / "plan.json").write_text(json.dumps(CONFIG))
        spoil(folder / "work")

    return make


def checkpoint(**changes) -> Spoil:
    """A checkpoint of these cases' run, with other content."""

    def make(work: Path) -> None:
        scheme = Normalisation(-1000, 1000, 0, 100)
        data = DataPlan(
            (6.0, 4.0, 4.0),
            (8, 16, 16),
            1,
            (2, 4),
            ((3, 3, 3),) * 2,
            ((1, 1, 1), (2, 2, 2)),
            (scheme, scheme),
        )
        run = TrainPlan(data, None, 0.002, loss=LossPlan(), names=("a", "b"))
        state = fresh_state(run, torch.device("cpu"))
        content = {
            "network": state.network.state_dict(), "averaged": state.averaged.state_dict(), "skipped": [], "optimiser": state.optimiser.state_dict(), "scaler": {},
            "iteration": 0, "seconds": 0.0, "history": [], "recent": [], "finished": False, "run": run.identity,
            "start": {},
        }  # fmt: skip
        torch.save(content | changes, work / "fold_all" / "checkpoint.pt")

    return make


def lock(**changes) -> Spoil:
    held = {"process": os.getpid(), "host": socket.gethostname(), "began": "1"}
    return lambda work: (work / "lock").write_text(json.dumps(held | changes))


def held_by_the_parent(work: Path) -> None:
    began = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    lock(began=began)(work)


WORK: dict[str, tuple[Spoil, Expected]] = {
    "a damaged plan": (lambda work: (work / "plan.json").write_text("{"), refused(r"plan\.json: cannot be read")),
    "a plan without a key": (lambda work: (work / "plan.json").write_text("{}"), refused(r"plan\.json: .* is missing")),
    "a checkpoint of 0 bytes": (
        lambda work: (work / "fold_all" / "checkpoint.pt").touch(), refused(r"checkpoint\.pt: cannot be used \(.+\); delete it"),
    ),
    "a checkpoint of text": (
        lambda work: (work / "fold_all" / "checkpoint.pt").write_text("garbage" * 99), refused(r"checkpoint\.pt: cannot be used"),
    ),
    "a checkpoint of zeros": (
        lambda work: (work / "fold_all" / "checkpoint.pt").write_bytes(bytes(5000)), refused(r"checkpoint\.pt: cannot be used"),
    ),
    "a checkpoint that is a list": (
        lambda work: torch.save([1], work / "fold_all" / "checkpoint.pt"), refused(r"checkpoint\.pt: cannot be used"),
    ),
    "a checkpoint of no network": (checkpoint(network={}), refused(r"checkpoint\.pt: cannot be used")),
    "a checkpoint of text for numbers": (checkpoint(iteration="1"), refused(r"checkpoint\.pt: cannot be used")),
    "a checkpoint of another run": (checkpoint(run={"seed": 5}), refused(r"checkpoint\.pt: of a run that differs")),
    "a good checkpoint": (checkpoint(), fine(results=("w.pt",))),
    "a run that goes on": (held_by_the_parent, refused(r"work: in use by process \d+ on .*; wait")),
    "a run on another computer": (
        lock(host="elsewhere"), refused(r"in use by .* on elsewhere; .* delete .*[/]work[/]lock"),
    ),
    "a run that has ended": (lock(process=2**22 + 1), fine(results=("w.pt",))),
    "a run whose number is another's now": (lock(began="2"), fine(results=("w.pt",))),
    "a damaged lock": (lambda work: (work / "lock").touch(), refused(r"work/lock: not a readable lock; delete it")),
}  # fmt: skip
for what, (spoil, expected) in WORK.items():
    make = after(planned(spoil), "masks", *SHORT, "--resume")
    FAULTS.append(faults(f"work folder: {what}", make, expected))

# Places. -------------------------------------------------------------------------------------------------------------
for what, options, error in (
    ("--out is a folder", ("--out", "{}/data"), r"^error: .*/data: cannot be written \(Is a directory\); "),
    ("--out below a file", ("--out", "{}/config.json/w.pt"), r"^error: .*/w\.pt: cannot be written \(.*\); "),
    ("--work is a file", ("--work", "{}/config.json"), r"^error: .*/config\.json: "),
    ("--start is not there", ("--start", "{}/none.pt"), r"^error: .*/none\.pt: no such weights file; "),
    ("--start is no weights file", ("--start", "{}/config.json"), r"^error: .*/config\.json: "),
):

    def places(folder: Path, options=options) -> list[str]:
        save_cases(folder, "masks")
        return train(folder, *SHORT, *(word.format(folder) for word in options))

    FAULTS.append(faults(f"places: {what}", places, refused(error)))


# Scores for a weights file. ------------------------------------------------------------------------------------------
def scores(content: str | None, weights: bytes | None = None) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        save_bundle(bundle(), folder / "w.pt")
        if weights is not None:
            (folder / "w.pt").write_bytes(weights)
        if content is not None:
            (folder / "s.json").write_text(content)
        return ["training.record_scores", str(folder / "w.pt"), str(folder / "s.json"), "ten cases"]

    return make


for what, content in {
    "none": None, "empty": "", "no object": "[]", "no summary": "{}", "a summary of text": '{"summary": "x"}',
    "an empty summary": '{"summary": []}', "no figures": '{"summary": [{}]}', "deep": '{"summary": ' + "[" * 100_000,
}.items():  # fmt: skip
    FAULTS.append(faults(f"scores: {what}", scores(content), refused(r"^error: .*/s\.json: [^;]+; ")))
for what, weights in {"empty": b"", "text": b"garbage" * 99, "zeros": bytes(5000)}.items():
    make = scores('{"summary": [{"mean": 1}]}', weights)
    FAULTS.append(faults(f"scores: weights are {what}", make, refused(r"^error: .*/w\.pt: [^;]+; ")))
FAULTS.append(faults("scores: nothing", scores('{"summary": [{"mean": 1}]}'), fine()))
FAULTS.append(faults("nothing, masks", after(lambda folder: None), fine(results=("w.pt",))))
