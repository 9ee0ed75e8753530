"""Which trainers are known, and the mirrors they leave their networks with."""

import pytest

from model.errors import InputError
from model.importing.trainers import mirrors_of


@pytest.mark.parametrize(
    ("version", "trainer", "mirrors"),
    [
        ("nnunet-v1", "nnUNetTrainerV2", (0, 1, 2)), ("nnunet-v1", "nnUNetTrainer", (0, 1, 2)),
        ("nnunet-v1", "nnUNetTrainerV2_DA5", (0, 1, 2)), ("nnunet-v1", "nnUNetTrainerV2_Loss_DiceTopK10", (0, 1, 2)),
        ("nnunet-v1", "nnUNetTrainerV2_200epochs", (0, 1, 2)), ("nnunet-v1", "nnUNetTrainerV2_DDP", (0, 1, 2)),
        ("nnunet-v1", "nnUNetTrainerV2_noDataAugmentation", ()), ("nnunet-v1", "nnUNetTrainerV2_noMirroring", ()),
        ("nnunet-v1", "nnUNetTrainerNoDA", ()),
        ("nnunet-v2", "nnUNetTrainer", (0, 1, 2)), ("nnunet-v2", "nnUNetTrainerDA5_10epochs", (0, 1, 2)),
        ("nnunet-v2", "nnUNetTrainer_1epoch", (0, 1, 2)), ("nnunet-v2", "nnUNetTrainer_8000epochs", (0, 1, 2)),
        ("nnunet-v2", "nnUNetTrainerNoDA", ()), ("nnunet-v2", "nnUNetTrainerNoMirroring", ()),
        ("nnunet-v2", "nnUNetTrainer_2000epochs_NoMirroring", ()),
        ("nnunet-v2", "nnUNetTrainer_onlyMirror01", (0, 1)), ("nnunet-v2", "nnUNetTrainer_onlyMirror01_1500ep",
        (0, 1)),
    ],
)  # fmt: skip
def test_known_trainers_keep_their_mirrors(version, trainer, mirrors):
    assert mirrors_of("m", version, trainer, None) == mirrors


@pytest.mark.parametrize(
    ("version", "trainers"),
    [
        (
            "nnunet-v1",
            """nnUNetTrainerV2_GN nnUNetTrainerV2_BN nnUNetTrainerV2_FRN nnUNetTrainerV2_NoNormalization
            nnUNetTrainerV2_NoNormalization_lr1en3 nnUNetTrainerV2_ReLU nnUNetTrainerV2_GeLU nnUNetTrainerV2_Mish
            nnUNetTrainerV2_LReLU_slope_2en1 nnUNetTrainerV2_lReLU_convReLUIN nnUNetTrainerV2_ReLU_convReLUIN
            nnUNetTrainerV2_ReLU_biasInSegOutput nnUNetTrainerV2_ResencUNet nnUNetTrainerV2_ResencUNet_DA3
            nnUNetTrainerV2_DA3_BN nnUNetTrainerV2_MMS nnUNetTrainerV2BraTSRegions nnUNetTrainerV2CascadeFullRes
            nnUNetTrainerCascadeFullRes nnUNetTrainerV2_resample33 nnUNetTrainerV2_mine nnUNetTrainerV2_GN_200epochs
            nnUNetTrainerV2_ep4000_nomirror nnUNetTrainerV2_200epochs_GN nnunettrainerv2 nnUNetTrainerV2_nnunet-v1""",
        ),
        (
            "nnunet-v2",
            """nnUNetTrainerBN nnUNetTrainer_HRNet18 nnUNetTrainerResEncUNet nnUNet_Primus_M_Trainer nnUNetTrainer_mine
            nnUNetTrainerV2 nnUNetTrainerV2_noMirroring PretrainedTrainer nnUNetTrainer_epochs
            nnUNetTrainer_5epochsBN""",
        ),
    ],
)
def test_other_trainers_are_refused_by_name(version, trainers):
    for trainer in trainers.split():
        with pytest.raises(InputError, match=f"trainer '{trainer}' is none .* --trainer"):
            mirrors_of("m", version, trainer, None)


@pytest.mark.parametrize("trainer", [None, 3, ["nnUNetTrainer"], "", "x" * 10**6, "nnUNetTrainerV2\n", True])
def test_what_is_no_name_is_refused_in_one_line(trainer):
    for version in ("nnunet-v1", "nnunet-v2"):
        with pytest.raises(InputError, match="^m: trainer .* is none") as refused:
            mirrors_of("m", version, trainer, None)
        assert len(str(refused.value)) < 400 and "\n" not in str(refused.value)


def test_the_known_trainer_that_is_given_counts():
    assert mirrors_of("m", "nnunet-v1", "mine", "nnUNetTrainerV2_noMirroring") == ()
    with pytest.raises(InputError, match="^--trainer: "):
        mirrors_of("m", "nnunet-v1", "nnUNetTrainerV2", "mine")
