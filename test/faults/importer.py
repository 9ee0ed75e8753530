"""nnU-Net models that the importer must refuse, and some that it must take with what their trainers changed."""

import json
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from faults.fault import Expected, Fault, fine, refused
from faults.materials import PLAN, bundle
from faults.weights import deep, laughs

from bench.nnunet.format import write_nnunet
from bench.nnunet.v1_format import write_v1
from model.network.bundle import load_bundle
from model.network.unet import UNet

NAN, INF, BIG = float("nan"), float("inf"), "x" * 10**6
CHECKPOINT, ABOUT = "fold_0/model_final_checkpoint.model", "fold_0/model_final_checkpoint.model.pkl"


def _command(folder: Path, *options: str) -> list[str]:
    return ["model.importing", str(folder / "m"), "--out", str(folder / "out" / "w.pt"), *options]


def _v2(change: Callable[[Path], object] = lambda folder: None, *options: str) -> Any:
    def make(folder: Path) -> list[str]:
        write_nnunet(bundle(), folder / "m")
        change(folder / "m")
        return _command(folder, *options)

    return make


def _v1(change: Callable[[Path], object] = lambda folder: None, *options: str) -> Any:
    def make(folder: Path) -> list[str]:
        torch.manual_seed(0)
        plan = replace(PLAN, encoder_convs=(2, 2), decoder_convs=(2,))
        write_v1(replace(bundle(), network=plan, states=(UNet(plan).state_dict(),)), folder / "m")
        change(folder / "m")
        return _command(folder, *options)

    return make


def _edited(read: Callable[[Path], Any], write: Callable[[Any, Path], object], name: str) -> Any:
    """A function that makes changes to a file's content: a function of it, or entries."""

    def edit(change: Callable[[Any], object] | None = None, **entries: Any) -> Callable[[Path], None]:
        def apply(folder: Path) -> None:
            content = read(folder / name)
            if change is not None:
                change(content)
            content.update(entries)
            write(content, folder / name)

        return apply

    return edit


def _torch_load(path: Path) -> Any:
    return torch.load(path, weights_only=False)


def _load(path: Path) -> Any:
    return pickle.loads(path.read_bytes())


def _dump(content: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(content))


def _json(path: Path) -> Any:
    return json.loads(path.read_text())


def _to_json(content: Any, path: Path) -> None:
    path.write_text(json.dumps(content))


plans2, dataset = _edited(_json, _to_json, "plans.json"), _edited(_json, _to_json, "dataset.json")
told2 = _edited(_torch_load, torch.save, "fold_0/checkpoint_final.pth")
plans1, about = _edited(_load, _dump, "plans.pkl"), _edited(_load, _dump, ABOUT)
told1 = _edited(_torch_load, torch.save, CHECKPOINT)


def _configuration(**entries: Any) -> Any:
    return _v2(plans2(lambda plans: plans["configurations"]["3d_fullres"].update(entries)))


def _network(**entries: Any) -> Any:
    return _v2(
        plans2(lambda p: p["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"].update(entries))
    )


def _stage(**entries: Any) -> Any:
    return _v1(plans1(lambda plans: plans["plans_per_stage"][0].update(entries)))


def _trainer1(name: Any, *options: str) -> Any:
    return _v1(about(name=name), *options)


def _trainer2(name: Any, *options: str, **entries: Any) -> Any:
    return _v2(told2(trainer_name=name, **entries), *options)


def _text(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def _pipe(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return change


def _link(name: str, target: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to(target)

    return change


def _tensor(tensor: Any) -> Callable[[Path], None]:
    def change(content: Any) -> None:
        content["network_weights"]["encoder.stages.0.0.convs.0.norm.weight"] = tensor

    return told2(change)


def _imported(mirrors: tuple[int, ...]) -> Expected:
    def check(folder: Path) -> str:
        found = load_bundle(folder / "out" / "w.pt").mirror_axes
        return "" if found == mirrors else f"mirror axes {found}, expected {mirrors}"

    return fine(results=("w.pt",), check=check)


ONE_LINE = refused(r"^error: .{3,900}; .{3,}$")
NONSENSE = {
    "v2 patch 0": _configuration(patch_size=[0, 0, 0]), "v2 patch huge": _configuration(patch_size=[2**40] * 3),
    "v2 patch text": _configuration(patch_size=BIG), "v2 spacing NaN": _configuration(spacing=[NAN, 1, 1]),
    "v2 spacing negative": _configuration(spacing=[-3, 1, 1]),
    "v2 spacing infinite": _configuration(spacing=[INF, 1, 1]),
    "v2 inherits from itself": _configuration(inherits_from="3d_fullres"),
    "v2 cascade": _configuration(previous_stage="x"),
    "v2 preprocessor of 1 MB": _configuration(preprocessor_name=BIG),
    "v2 scheme": _configuration(normalization_schemes=["A", "B"]),
    "v2 strides 0": _network(strides=[[1, 1, 1], [0, 0, 0]]),
    "v2 100000 stages": _network(strides=[[2, 2, 2]] * 10**5),
    "v2 features huge": _network(features_per_stage=[10**9, 10**9]),
    "v2 10**9 convolutions": _network(n_conv_per_stage=10**9),
    "v2 group norm": _network(norm_op="torch.nn.GroupNorm"),
    "v2 slope": _network(nonlin_kwargs={"negative_slope": 0.2}),
    "v2 nonlinearity before the norm": _network(nonlin_first=True), "v2 no nonlinearity": _network(nonlin=None),
    "v2 a block of its own": _network(block="my_lab.Block"), "v2 an unknown option": _network(mine=1),
    "v2 other resampling": _configuration(resampling_fn_data_kwargs={"order": 3, "separate_z_anisotropy_threshold": 2}),
    "v2 both channels with contrast": _v2(dataset(channel_names={"0": "CT with contrast", "1": "CECT"})),
    "v2 axes twice": _v2(plans2(transpose_forward=[0, 0, 1])), "v2 no configurations": _v2(plans2(configurations={})),
    "v2 std NaN": _v2(plans2(lambda p: p["foreground_intensity_properties_per_channel"]["0"].update(std=NAN))),
    "v2 std negative": _v2(plans2(lambda p: p["foreground_intensity_properties_per_channel"]["0"].update(std=-1.0))),
    "v2 labels": _v2(dataset(labels=BIG)), "v2 channels": _v2(dataset(channel_names={"0": "CT"})),
    "v2 mirrors of text": _v2(told2(inference_allowed_mirroring_axes="all")),
    "v2 no weights": _v2(told2(network_weights={})),
    "v2 weights NaN": _v2(_tensor(torch.tensor([NAN, 1]))),
    "v2 weights of 4 TB": _v2(_tensor(torch.ones(1).expand(2**20, 2**20))),
    "v2 weights sparse": _v2(_tensor(torch.ones(2).to_sparse())), "v2 weights text": _v2(_tensor("x")),
    "v2 plans deep": _v2(_text("plans.json", b"[" * 10**6)),
    "v2 plans of 20 MB": _v2(_text("plans.json", b" " * 20_000_000)),
    "v2 plans null": _v2(_text("plans.json", b"null")),
    "v2 dataset deep": _v2(_text("dataset.json", b'{"a":' * 10**5)),
    "v2 plans a pipe": _v2(_pipe("plans.json")), "v2 dataset /dev/zero": _v2(_link("dataset.json", "/dev/zero")),
    "v2 plans a loop": _v2(_link("plans.json", "plans.json")),
    "v1 pools huge": _stage(pool_op_kernel_sizes=[[10**9] * 3]),
    "v1 100000 pools": _stage(pool_op_kernel_sizes=[[2, 2, 2]] * 10**5),
    "v1 pools 0": _stage(pool_op_kernel_sizes=[[0, 2, 2]]),
    "v1 pools endless": _stage(pool_op_kernel_sizes=laughs(12)),
    "v1 patch infinite": _stage(patch_size=[INF] * 3), "v1 patch of 400 digits": _stage(patch_size=[10**400] * 3),
    "v1 spacing 0": _stage(current_spacing=[0, 1, 1]), "v1 spacing text": _stage(current_spacing="311"),
    "v1 axes": _v1(plans1(transpose_forward=[1, 2, 3])), "v1 10**9 channels": _v1(plans1(num_modalities=10**9)),
    "v1 plans deep": _v1(plans1(more=deep(200))),
    "v1 schemes": _v1(plans1(normalization_schemes={0: "CT2", 1: "CT"})),
    "v2 name of 1 MB": _trainer2(BIG),
    "v1 name endless": _trainer1(laughs(12)), "v1 name of 10 MB": _trainer1("x" * 10**7),
    "v1 plans of marks": _v1(_text("plans.pkl", b"(" * 10**6)),
    "v1 plans of lists": _v1(_text("plans.pkl", b"]" * 10**6)),
    "v1 memo of 2**31": _v1(_text("plans.pkl", b"\x80\x02]r\xff\xff\xff\x7fe.")),
    "v1 text": _v1(_text(ABOUT, b"text")),
    "v1 plans of 20 MB": _v1(_text("plans.pkl", bytes(20_000_000))),
    "v1 executing": _v1(_text("plans.pkl", b"cos\nabort\n(tR.")),
    "v1 weights executing": _v1(_text(CHECKPOINT, b"cos\nabort\n(tR.")), "v1 plans a pipe": _v1(_pipe("plans.pkl")),
    "v1 weights text": _v1(told1(state_dict="x")), "v1 no weights": _v1(told1(state_dict={})),
    "folds twice": _v2(lambda folder: None, "--fold", "0,0"),
    "folds nothing": _v2(lambda folder: None, "--fold", ""),
    "folds elsewhere": _v2(lambda folder: None, "--fold", "../m/fold_0"),
    "folds not there": _v2(lambda folder: None, "--fold", "7"),
    "checkpoint elsewhere": _v2(lambda folder: None, "--checkpoint", "/dev/zero"),
    "checkpoint nothing": _v2(lambda folder: None, "--checkpoint", ""),
    "channels": _v2(lambda folder: None, "--channels", "ct,ct"),
    "channels nothing": _v2(lambda folder: None, "--channels", ""),
    "labels": _v2(lambda folder: None, "--labels", "0,1"),
    "trainer": _v2(lambda folder: None, "--trainer", "mine"),
    "out a device": _v2(lambda folder: None, "--out", "/dev/null"),
    "out nothing": _v2(lambda folder: None, "--out", ""),
}  # fmt: skip
UNKNOWN = {
    **{
        f"v1 {name}": _trainer1(f"nnUNetTrainerV2_{name}")
        for name in ("GN", "BN", "FRN", "NoNormalization", "ReLU", "GeLU", "Mish", "LReLU_slope_2en1",
        "lReLU_convReLUIN",
                     "ReLU_convReLUIN", "ResencUNet", "MMS", "resample33", "mine")
    },
    **{f"v2 {name}": _trainer2(name) for name in ("nnUNetTrainerBN", "nnUNetTrainer_mine", "nnUNetTrainerV2", None)},
}  # fmt: skip
KNOWN = [
    ("v1 standard", _v1(), (0, 1, 2)),
    ("v1 noDataAugmentation", _trainer1("nnUNetTrainerV2_noDataAugmentation"), ()),
    ("v1 noMirroring", _trainer1("nnUNetTrainerV2_noMirroring"), ()),
    ("v1 another loss", _trainer1("nnUNetTrainerV2_Loss_CE"), (0, 1, 2)),
    ("v1 200 epochs", _trainer1("nnUNetTrainerV2_200epochs"), (0, 1, 2)),
    ("v1 own, named", _trainer1("mine", "--trainer", "nnUNetTrainerV2_noMirroring"), ()),
    ("v2 standard", _v2(), (0, 1, 2)),
    ("v2 NoDA", _trainer2("nnUNetTrainerNoDA"), ()),
    (
        "v2 onlyMirror01",
        _trainer2("nnUNetTrainer_onlyMirror01", inference_allowed_mirroring_axes=(0, 1)),
        (0, 1),
    ),
    ("v2 no mirrors allowed", _trainer2("nnUNetTrainer", inference_allowed_mirroring_axes=None), ()),
    ("v2 own, named", _trainer2("mine", "--trainer", "nnUNetTrainerDA5"), (0, 1, 2)),
]
FAULTS = [Fault("importer", f"nonsense, {name}", make, ONE_LINE) for name, make in NONSENSE.items()]
FAULTS += [
    Fault(
        "importer",
        f"trainer {name}",
        make,
        refused(r"^error: .*trainer .* is none whose .*; .*--trainer$"),
    )
    for name, make in UNKNOWN.items()
]
FAULTS += [Fault("importer", f"trainer {name}", make, _imported(mirrors)) for name, make, mirrors in KNOWN]
