"""The evaluator: masks and cases under any name, damaged ones, options that make no sense."""

import csv
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from faults.fault import Expected, Fault, fine, refused
from faults.materials import save

# Label map (z, y, x) of the reference; the prediction lies a voxel beside it.
TRUTH = np.zeros((6, 14, 16), np.uint8)
TRUTH[1:4, 2:8, 3:9] = 1
TRUTH[2:5, 9:12, 10:14] = 2
DSC = {"GTVp": 5 / 6, "GTVnd": 3 / 4}
BOTH = ("GTVp", "GTVnd")

Content = (
    str | bytes | Callable[[Path], object]
)  # "map", "p", "n" (a binary mask of one of them), or what is in the file
Files = dict[str, Content]
CASES = {"a.nii.gz": "map", "b.nii.gz": "map"}


def _label(name: str) -> str:
    """For the test's name: what is not ASCII as numbers."""
    return "".join(c if " " <= c <= "~" and c != "\\" else f"<{ord(c)}>" for c in name[:30])


def _fill(folder: Path, files: Files, shift: int) -> None:
    folder.mkdir(parents=True)
    labels = np.roll(TRUTH, shift, axis=2)
    arrays = {"map": labels, "p": (labels == 1).astype(np.uint8), "n": (labels == 2).astype(np.uint8)}
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            suffix = "".join(path.suffixes[-2:]) if path.suffix.lower() == ".gz" else path.suffix
            plain = path.with_name(f"plain{suffix.lower()}")  # ITK knows no other
            save(arrays[content], plain).rename(path)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            content(path)


def _evaluate(predictions: Files, references: Files, *options: str) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        _fill(folder / "p", predictions, 1)
        _fill(folder / "r", references, 0)
        given = [option.format(folder) if "{0}" in option else option for option in options]
        return [
            "evaluate",
            str(folder / "p"),
            str(folder / "r"),
            "--csv",
            str(folder / "out" / "s.csv"),
            *given,
        ]

    return make


def _scores(*rows: tuple[str, str, float]) -> Callable[[Path], str]:
    """Of case and structure the DSC."""

    def check(folder: Path) -> str:
        with (folder / "out" / "s.csv").open(newline="", encoding="utf-8") as file:
            found = {
                (row["case"], row["structure"], round(float(row["dsc"]), 4)) for row in csv.DictReader(file)
            }
        expected = {(case, structure, round(value, 4)) for case, structure, value in rows}
        return "" if found == expected else f"scores {sorted(found)}, expected {sorted(expected)}"

    return check


def _right(*cases: str) -> tuple[tuple[str, str, float], ...]:
    return tuple((case, structure, DSC[structure]) for case in cases for structure in BOTH)


def _zero(case: str) -> tuple[tuple[str, str, float], ...]:
    return tuple((case, structure, 0.0) for structure in BOTH)


def _problem(*errors: str, rows: tuple[tuple[str, str, float], ...]) -> Expected:
    """Named on stderr, exit code 1, the scores as given."""
    return Expected("refused", 1, errors, (), ("s.csv",), _scores(*rows))


def _scored(*cases: str) -> Expected:
    return fine(results=("s.csv",), check=_scores(*_right(*cases)))


# Where the masks of GTVp and GTVnd lie; {} is the case.
READ = [
    ("{}_GTVp", "{}_GTVnd"),
    ("{}/gtvp", "{}/gtvnd"),
    ("GTVp/{}", "GTVnd/{}"),
    ("{}/GTV_p", "{}/GTV_n"),
    ("{}-GTV-P", "{}-GTV-N"),
    ("primary/{}", "nodes/{}"),
    ("{}/PRIMARY", "{}/NODES"),
    ("{}.primary", "{}.nodal"),
    ("Primary_Tumour/{}", "Lymph_Nodes/{}"),
    ("{}/GTVP/mask", "{}/GTVN/mask"),
    ("Cohort1/{}GTVp", "Cohort1/{}GTVn"),
    ("{}_T", "{}_N"),
    ("predictions_GTVp/{}", "predictions_GTVnd/{}"),
]
FAULTS = [
    Fault(
        "evaluator",
        f"masks at {primary} and {nodes}",
        _evaluate(
            {f"{name.format(c)}.nii.gz": kind for c in "ab" for name, kind in ((primary, "p"), (nodes, "n"))},
            CASES,
        ),
        _scored("a", "b"),
    )
    for primary, nodes in READ
]
FAULTS += [
    Fault(
        "evaluator",
        f"only nodes on both sides, at {name}",
        _evaluate(*2 * [{f"{name.format(case)}.mha": "n" for case in "ab"}]),
        _problem(
            *(f"^{case}: no reference GTVp, not scored$" for case in "ab"),
            rows=tuple((case, "GTVnd", DSC["GTVnd"]) for case in "ab"),
        ),
    )
    for name in ("{}_GTVnd", "nodes/{}", "{}/gtv_n", "LYMPH NODES/{}", "{}_nd", "GTV-N_{}")
]

# References beside a good one that are not clear: the files, and what has to be said.
UNCLEAR: list[tuple[Files, tuple[str, ...]]] = [
    ({"a.nii.gz": "map", "a.mha": "map"}, ("^a: .*a.mha, a.nii.gz could all be a; .*not scored",)),
    ({"a.nii": "map", "a.NII.GZ": "map"}, ("^a: .*a.NII.GZ, a.nii could all be a",)),
    ({"a.nrrd": "map", "a/mask.nii.gz": "map"}, ("^a: .*could all be a",)),
    ({"a.mha": "map", "a/GTVp.mha": "p", "a/GTVnd.mha": "n"}, ("^a: .*could all be a",)),
    ({"a_GTVn.mha": "n", "nodes/a.mha": "n"}, ("^a: .*could all be a",)),
    ({"a/GTVp.mha": "p", "a/GTVn1.mha": "n", "a/GTVn2.mha": "n"}, ("^a: .*GTVn1.mha.*could all be a",)),
    ({"a_nodes_near_GTVp.mha": "n"}, ("a_nodes_near_GTVp.mha: its name says both GTVp and GTVnd; ",)),
    ({"GTVp/a_GTVnd.mha": "n"}, ("GTVp/a_GTVnd.mha: its path says both GTVp and GTVnd; ",)),
    (
        {"GTV1_a.mha": "p", "GTV2_a.mha": "n"},
        ("GTV1_a.mha: its name says GTV, but not which; ", "GTV2_a.mha: "),
    ),
    ({"a_CTVn.mha": "n"}, ("a_CTVn.mha: its name says another structure than GTVp and GTVnd; ",)),
    ({"a/Brain.mha": "p"}, ("a/Brain.mha: its name says another structure",)),
    ({"nodes/a.mha": "map"}, ("^a: .*nodes/a.mha: as a mask of GTVnd: values from 0 to 2, ",)),
    ({"a.hdr": b"", "a.img": b""}, ("a.hdr: not a format read here; ", "a.img: not a format read here; ")),
    ({"a.nii": lambda path: path.mkdir()}, ("a.nii: a folder with an image's name; ",)),
    ({"a.mha": lambda path: path.symlink_to("nowhere")}, ("a.mha: a link that leads nowhere; ",)),
    ({"a.mha": lambda path: path.symlink_to("a.mha")}, ("a.mha: ",)),
    ({"a.nii.gz": lambda path: os.mkfifo(path)}, ("a.nii.gz: no file; ",)),
    ({"a.mha": b""}, ("^a: .*a.mha: .*not scored",)),
    ({"a.nii.gz": b"\x1f\x8b" + bytes(400)}, ("^a: .*a.nii.gz: .*not scored",)),
    ({"a.nrrd": b"NRRD0005\n" + b"x" * 5000}, ("^a: .*a.nrrd: .*not scored",)),
    ({"a.nii": b"%PDF-1.4" + bytes(5000)}, ("^a: .*a.nii: .*not scored",)),
]
FAULTS += [
    Fault(
        "evaluator",
        f"references {', '.join(files)} of {position}",
        _evaluate(CASES, {**files, "b.nii.gz": "map"}),
        # The prediction of the case that is not found has no reference.
        _problem(
            *errors,
            *([] if errors[0].startswith("^a: ") else ["^a: no reference, not scored$"]),
            rows=_right("b"),
        ),
    )
    for position, (files, errors) in enumerate(UNCLEAR)
]
FAULTS += [
    Fault(
        "evaluator",
        f"a prediction that is {what}",
        _evaluate({"a.nii.gz": content, "b.nii.gz": "map"}, CASES),
        _problem("^a: .*scored 0", rows=(*_zero("a"), *_right("b"))),
    )
    for what, content in {
        "of 0 bytes": b"",
        "text": b"version https://git-lfs.github.com/spec/v1\n",
        "zeros": bytes(5000),
        "cut": lambda path: path.write_bytes(save(TRUTH, path).read_bytes()[:-30]),
        "on another grid": lambda path: save(TRUTH[:-1], path),
        "fractions": lambda path: save(TRUTH * np.float32(0.5), path),
        "other labels": lambda path: save(TRUTH * 3, path),
        "NaN": lambda path: save(TRUTH * np.float32(np.nan), path),
    }.items()
]

ANY_NAME = [
    *("image_001", "image", "Image", "IMAGE_contrast", "images", "$x^{$", "\\frac{_^$", "%s%n"),
    *("{{7*7}}", "<b>&amp;", "---", "患者😀", "x" * 240, " a ", "a.b.c", "anode"),
]  # fmt: skip
FAULTS += [
    Fault(
        "evaluator",
        f"a case called {_label(name)}",
        _evaluate(*2 * [{f"{name}.nii.gz": "map", "b.nii.gz": "map"}]),
        _scored(f"'{name}" if name.startswith("-") else name, "b"),
    )
    for name in ANY_NAME
]
FAULTS += [
    Fault(
        "evaluator",
        f"a case of the name {_label(name)}",
        _evaluate(*2 * [{f"{name}.mha": "map", "b.mha": "map"}]),
        _scored(shown, "b"),
    )
    for name, shown in {
        "=1+1": "'=1+1",
        "+1": "'+1",
        "-1": "'-1",
        "@SUM(A1)": "'@SUM(A1)",
        " =1": "' =1",
        "＝1": "'＝1",
        "\t=1": "\\t=1",
        "\r=1": "\\r=1",
        "a\nerror: b": "a\\nerror: b",
        "\u202eabc": "\\u202eabc",
        os.fsdecode(b"\xff\xfe"): "\\udcff\\udcfe",
    }.items()
]
FAULTS += [
    Fault(
        "evaluator",
        f"a report and a picture of {_label(name)}",
        _evaluate(
            *2 * [{f"{name}.nii.gz": "map"}], "--report", "{0}/out/r.html", "--overlay", "{0}/out/o.png"
        ),
        fine(results=("s.csv", "r.html", "o.png")),
    )
    for name in ("$x^{$", "\\frac{_^$", "x" * 240, "患者😀\n<b>")
]
FAULTS += [
    Fault(
        "evaluator", f"a case in {name}", _evaluate({name: "map", "b.mha": "map"}, CASES), _scored("a", "b")
    )
    for name in (
        "a.NII.GZ",
        "a.Nii",
        "a.MHA",
        "a.NrrD",
        "a/mask.nii.gz",
        "a/a.nii.gz",
        "labelsTr/a.nii",
        "a.nii/a.nii",
    )
]


def _loop(path: Path) -> None:
    path.symlink_to(path.parent)


FAULTS += [
    Fault(
        "evaluator",
        f"a folder linked into itself, {place}",
        _evaluate({**CASES, place: _loop}, {**CASES, place: _loop}),
        _scored("a", "b"),
    )
    for place in ("loop", "deep/loop")
]

# What is wrong, and where.
NONSENSE = {
    ("--tolerance-mm", "inf"): "--tolerance-mm",
    ("--tolerance-mm", "nan"): "--tolerance-mm",
    ("--tolerance-mm", "-1"): "--tolerance-mm",
    ("--tolerance-mm", "1e300"): "--tolerance-mm",
    ("--tolerance-mm", "1,,2"): "--tolerance-mm",
    ("--tolerance-mm", "2,2"): "--tolerance-mm",
    ("--jobs", "0"): "--jobs",
    ("--jobs", "-3"): "--jobs",
    ("--jobs", "1e3"): "--jobs",
    ("--jobs", "9" * 5000): "--jobs",
    ("--structures", ""): "--structures",
    ("--structures", "GTVp\nGTVnd"): "--structures",
    ("--port", "1"): "--port 1",
    ("--json", "{0}/out/s.csv"): ".*s.csv",
    ("--json", "{0}/r/a.nii.gz"): ".*a.nii.gz",
    ("--image", "{0}/none"): ".*none",
    ("--compare", "{0}/none"): ".*none",
    ("--rank", "{0}/p"): "--rank",
    ("--report", "x" * 300): "x+",
}
FAULTS += [
    Fault(
        "evaluator",
        _label(" ".join(options)),
        _evaluate(CASES, CASES, *options),
        refused(rf"^error: {where}: .*; "),
    )
    for options, where in NONSENSE.items()
]
