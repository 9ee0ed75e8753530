"""Files and folders named oddly, missing, doubled or more than they should be; and options of process.py."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from faults.fault import Expected, Fault, fine, refused
from faults.materials import patient, process, save, save_pair

B = ("b.nii.gz",)


def _folders(spoil: Callable[[Path], None], *options: str) -> Callable[[Path], list[str]]:
    """Two patients, a and b, of which a is spoilt."""

    def make(folder: Path) -> list[str]:
        for name in "ab":
            save_pair(folder / "in" / name)
        spoil(folder / "in" / "a")
        return process(folder, *options)

    return make


def _exec(spoil: Callable[[Path, Path], None], *options: str) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        sockets = [folder / "in/images" / s for s in ("head-neck-ct", "head-neck-contrast-enhanced-ct")]
        for socket, contrast in zip(sockets, (False, True), strict=True):
            save(patient(contrast), socket / f"{'ce' if contrast else 'ct'}.mha")
        spoil(*sockets)
        return process(folder, *options)

    return make


def _rename(old: str, new: str) -> Callable[[Path], None]:
    return lambda folder: (folder / old).rename(folder / new)  # type: ignore[return-value]


def _link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


CT, CE = "image.nii.gz", "image_contrast.nii.gz"
ONE = refused(r"^error: .*; ", results=B)
READ = fine(results=("a.nii.gz", *B))
SPOILT: dict[str, tuple[Callable[[Path], None], Expected]] = {
    "no contrast CT": (lambda a: (a / CE).unlink(), ONE),
    "no plain CT": (lambda a: (a / CT).unlink(), ONE),
    "Image.nii.gz": (_rename(CT, "Image.nii.gz"), READ),
    "IMAGE.NII.GZ": (_rename(CT, "IMAGE.NII.GZ"), READ),
    "image_contrast in capitals": (_rename(CE, "IMAGE_CONTRAST.NII.GZ"), READ),
    "two spellings of one CT": (lambda a: shutil.copy(a / CT, a / "Image.nii.gz"), ONE),  # type: ignore[dict-item]
    "two formats of one CT": (lambda a: save(patient(), a / "image.mha"), ONE),  # type: ignore[dict-item]
    "both CTs called otherwise": (lambda a: [_rename(CT, "ct.nii.gz")(a), _rename(CE, "ce.nii.gz")(a)], ONE),
    "a wrong suffix": (_rename(CT, "image.txt"), ONE),
    "NIfTI called NRRD": (_rename(CT, "image.nrrd"), ONE),
    "NIfTI called MetaImage": (_rename(CT, "image.mha"), ONE),
    "packed NIfTI called .nii": (_rename(CT, "image.nii"), ONE),
    "a loop of links": (lambda a: _link_to_itself(a / CT), ONE),
    "a broken link": (lambda a: [(a / CT).unlink(), (a / CT).symlink_to("nowhere")], ONE),
    "a pipe": (lambda a: _pipe(a / CT), ONE),
    "a device": (lambda a: [(a / CT).unlink(), (a / CT).symlink_to("/dev/zero")], ONE),
    "an empty folder for a file": (lambda a: _folder(a / CT), ONE),
    "an empty DICOM folder": (lambda a: [(a / CT).unlink(), (a / "image").mkdir()], ONE),
    "an empty file": (lambda a: (a / CT).write_bytes(b""), ONE),
    "a link to the right file": (
        lambda a: [_rename(CT, "x")(a), (a / CT).symlink_to("x")],
        READ,
    ),
    "hidden files and notes beside": (
        lambda a: [(a / ".image.nii.gz").touch(), (a / "notes.txt").touch()],
        READ,
    ),
    "other images beside": (lambda a: save(patient(), a / "GTVp.nii.gz"), READ),
    "a mask called as the CT": (
        lambda a: [(a / CT).unlink(), save((patient() > 0).astype("uint8"), a / "image_mask.nii.gz")],
        ONE,
    ),
    "a disk that is not mounted": (lambda a: [shutil.rmtree(a), a.symlink_to("/not/mounted")], ONE),
    "a link to itself": (lambda a: [shutil.rmtree(a), a.symlink_to(a)], ONE),
    "nothing but a packed study": (
        lambda a: [(a / CT).unlink(), (a / CE).unlink(), (a / "study.zip").touch()],
        fine(results=B),
    ),
}  # type: ignore[dict-item]
NAMES: dict[str, str | bytes] = {
    "of 240 characters": "x" * 240,
    "with a line end": "a\nb",
    "with a tab": "a\tb",
    "with quotes": "a\"'`$(x)",
    "with a percent sign": "%s%n%d",
    "of other scripts": "患者-é",
    "beginning with a dash": "-rf",
    "with spaces": " a b ",
    "called a.nii": "a.nii",
    "called image": "image",
    "with a backslash": "a\\b",
}
OPTIONS = {
    "an unknown option": ("--nonsense",),
    "a layout that does not exist": ("--layout", "x"),
    "the wrong layout": ("--layout", "exec"),
    "another wrong layout": ("--layout", "nnunet"),
    "an unknown device": ("--device", "tpu"),
    "a port out of range": ("--port", "99999"),
    "two options against each other": ("--all-mirrors",),
    "--json of two cases": ("--json", "x.json"),
    "no weights": ("--weights", "none.pt"),
    "a folder of weights": ("--weights", "."),
    "an input that is not there": ("--input", "none"),
    "an input that is a file": ("--input", "/etc/hostname"),
    "an output in a file": ("--output", "/etc/hostname/x"),
    "an output in /proc": ("--output", "/proc/self/x"),
}


def _named(name: str | bytes) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        save_pair(folder / "in" / "b")
        save_pair(folder / "in" / "a")
        os.rename(
            os.fsencode(folder / "in" / "a"), os.path.join(os.fsencode(folder / "in"), os.fsencode(name))
        )
        return process(folder)

    return make


def _own(spoil: Callable[[Path], object], output: str = "out") -> Callable[[Path], list[str]]:
    """A patient's own folder."""

    def make(folder: Path) -> list[str]:
        save_pair(folder / "in")
        spoil(folder / "in")
        return process(folder, "--output", str(folder / output))

    return make


def _cohort(spoil: Callable[[Path], object]) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        save_pair(folder / "in/Cohort1/image/b")
        spoil(folder / "in/Cohort1")
        return process(folder)

    return make


def _channels(*others: str) -> Callable[[Path], list[str]]:
    """nnU-Net's layout: a case that is called as a channel, and other files beside it."""

    def make(folder: Path) -> list[str]:
        for name, contrast in (
            ("b_0001_0000", False),
            ("b_0001_0001", True),
            *((name, False) for name in others),
        ):
            save(patient(contrast), folder / "in/imagesTs" / f"{name}.nii.gz")
        return process(folder)

    return make


INSIDE = ("Cohort1/b.nii.gz",)
OWN = {
    "an earlier result in it": lambda p: [(p / "out").mkdir(), (p / "out/in.nii.gz").touch()],
    "masks below it": lambda p: save(patient(), p / "masks/GTVp.nii.gz"),
    "maps below it": lambda p: save(patient(), p / "probability_GTVp/in.nii.gz"),
}
COHORTS = {
    "a patient behind a broken link": lambda cohort: (cohort / "image/a").symlink_to("/not/mounted"),
    "a patient beside the folder image": lambda cohort: save_pair(cohort / "a"),
}
FAULTS = [
    *(Fault("layouts", f"one patient's folder, {name}", _own(spoil), fine(results=("in.nii.gz",))) for name, spoil in OWN.items()),
    Fault("layouts", "one patient's folder, another's pair in it", _own(lambda p: save_pair(p / "old")), refused("has both, too")),
    *(Fault("layouts", f"cohorts, {name}", _cohort(spoil), refused(r"^error: .*; ", results=INSIDE)) for name, spoil in COHORTS.items()),
    Fault("layouts", "nnunet, a case called as a channel", _channels("b_0001"), fine(results=("b_0001.nii.gz",))),
    Fault(
        "layouts", "nnunet, a file of no case among the images", _channels("c_000"),
        refused("c_000.nii.gz is of no case", results=("b_0001.nii.gz",)),
    ),
    *(Fault("layouts", f"a patient with {name}", _folders(spoil), expected) for name, (spoil, expected) in SPOILT.items()),
    *(
        Fault("layouts", f"a patient's name {name}", _named(text), fine(results=(f"{text!s}.nii.gz", *B)))
        for name, text in NAMES.items()
    ),
    Fault("layouts", "a patient's name that is no UTF-8", _named(b"p\xff"), refused("not UTF-8", results=B)),
    Fault("layouts", "a patient's name too long for its result", _named("x" * 250), refused("cannot be written")),
    *(Fault("options", name, _folders(lambda a: None, *options), refused(r"^error: .*; ")) for name, options in OPTIONS.items()),
    Fault("layouts", "exec, two files", _exec(lambda ct, ce: save(patient(), ct / "x.mha")), refused("2 entries")),  # type: ignore[arg-type,return-value]
    Fault("layouts", "exec, no file", _exec(lambda ct, ce: (ct / "ct.mha").unlink()), refused("empty")),
    Fault("layouts", "exec, no folder", _exec(lambda ct, ce: shutil.rmtree(ce)), refused("no such folder")),
    Fault("layouts", "exec, a folder called a.nii", _exec(lambda ct, ce: _folder(ct / "ct.mha")), refused("put exactly one")),
    Fault("layouts", "exec, a loop of links", _exec(lambda ct, ce: _link_to_itself(ct / "ct.mha")), refused("put exactly one")),
    *(
        Fault(
            "layouts",
            f"exec, inputs.json of {name}",
            _exec(lambda ct, ce, text=text: (ct.parents[1] / "inputs.json").write_text(text)),  # type: ignore[misc]
            refused("inputs.json"),
        )
        for name, text in {
            "nothing": "", "a bracket": "[", "100000 brackets": "[" * 100_000, "a number": "3", "an empty object": "[{}]",
            "numbers for names": '[{"socket": {"slug": 1}}]', "a huge number": "[1e99999]", "null": "null",
        }.items()
    ),
]  # fmt: skip
