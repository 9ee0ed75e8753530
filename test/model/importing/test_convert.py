"""Axes, classes and channels are brought to gtvseg's order."""

from dataclasses import replace

import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet

from model.errors import InputError
from model.importing.convert import to_bundle
from model.importing.read import read_model

PATCH = (8, 16, 24)


def test_another_axis_order_is_turned(v2_network, v2_folder, imported, tmp_path):
    """transpose_forward [2, 0, 1]: nnU-Net's first axis is x. The network must see (z, y, x) here."""
    network = v2_network(PlainConvUNet)
    bundle = imported(v2_folder(tmp_path / "m", [network], plans__transpose_forward=[2, 0, 1]))
    assert bundle.spacing_zyx == (0.9, 0.8, 3.0) and bundle.patch_zyx == (16, 24, 8)
    image_zyx = torch.randn(1, 2, 16, 24, 8)
    theirs = image_zyx.permute(0, 1, 4, 2, 3)
    with torch.no_grad():
        expected = network(theirs).permute(0, 1, 3, 4, 2)
        torch.testing.assert_close(bundle.build_networks()[0](image_zyx), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("by_option", [True, False])
def test_labels_in_the_other_order_are_put_right(v2_network, v2_folder, imported, by_option, tmp_path):
    network = v2_network(PlainConvUNet)
    names = {"background": 0, "GTV_nd": 1, "gtvp": 2} if not by_option else {"background": 0, "a": 1, "b": 2}
    folder = v2_folder(tmp_path / "m", [network], dataset__labels=names)
    if by_option:
        with pytest.raises(InputError, match="which is GTVp"):
            imported(folder)
    (ours,) = imported(folder, labels="2,1" if by_option else None).build_networks()
    x = torch.randn(1, 2, *PATCH)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), network(x)[:, [0, 2, 1]], atol=1e-5, rtol=1e-5)


def test_channels_are_named_in_the_networks_order(v2_network, v2_folder, imported, tmp_path):
    folder = v2_folder(tmp_path / "m", [v2_network(PlainConvUNet)])
    assert imported(folder).channels == ("ct", "ce")
    assert imported(folder, channels="ce,ct").channels == ("ce", "ct")
    with pytest.raises(InputError, match="say which with --channels"):
        imported(folder, channels="ct,ct")


def test_the_parameter_that_does_not_fit_is_named(v2_network, v2_folder, tmp_path):
    folder = v2_folder(tmp_path / "m", [v2_network(PlainConvUNet)])
    model = read_model(folder, ["0"], "checkpoint_final.pth")
    name, tensor = next(iter(model.states[0].items()))
    cut = replace(model, states=({**model.states[0], name: tensor[:1]},))
    with pytest.raises(InputError, match=f"do not fit .*size mismatch for {name}"):
        to_bundle(cut, folder)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("CT", "contrast_CT"), ("ct", "ce")),
        (("ceCT", "CT"), ("ce", "ct")),
        (("contrast_CT", "non_contrast_CT"), ("ce", "ct")),
        (("CT", "plain"), ("ce", "ct")),
        (("CT", "CT"), ("ct", "ce")),
        (("CT with IV contrast", "CT without IV contrast"), ("ce", "ct")),
        (("CT arterial with contrast", "CT venous with contrast"), None),
        (("native CT", "non-contrast CT"), None),
        (("0", "1"), None),
        (("CT", "PET"), None),
        (("T1", "T2"), None),
    ],
)
def test_channels_are_known_by_their_names(v2_network, v2_folder, imported, names, expected, tmp_path):
    named = {str(number): name for number, name in enumerate(names)}
    folder = v2_folder(tmp_path / "m", [v2_network(PlainConvUNet)], dataset__channel_names=named)
    if expected:
        assert imported(folder).channels == expected
    else:
        with pytest.raises(InputError):
            imported(folder)
