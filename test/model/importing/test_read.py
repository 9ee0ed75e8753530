"""Which version a folder is of."""

import pytest
from dynamic_network_architectures.architectures.unet import PlainConvUNet

from model.errors import InputError
from model.importing.read import read_model


def test_the_version_is_told_by_the_plans(v1_network, v1_folder, v2_network, v2_folder, tmp_path):
    v1 = v1_folder(tmp_path / "one", v1_network())
    v2 = v2_folder(tmp_path / "two", [v2_network(PlainConvUNet)])
    for folder, pipeline in ((v1, "nnunet-v1"), (v2, "nnunet-v2")):
        assert read_model(folder, ["0"], "checkpoint_final.pth").pipeline == pipeline


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="neither plans.json"):
        read_model(tmp_path, ["0"], "checkpoint_final.pth")
