"""nnU-Net's trainers whose networks and mirrors are known: all others are refused, since weights do not tell.

A trainer's class may put its network together in another way (another norm or nonlinearity, another order of the two)
under the same parameters' names, and trains with mirrors or without.
"""

import re
from pathlib import Path

from model.errors import InputError
from model.network.plain import quoted

ALL, NONE = (0, 1, 2), ()
# The standard network, trained with all mirrors; what differs is loss, optimiser, augmentation, sampling or length.
_MIRRORED = {
    "nnunet-v1": """
        nnUNetTrainer nnUNetTrainerCE
        nnUNetTrainerV2 nnUNetTrainerV2_DDP nnUNetTrainerV2_DP nnUNetTrainerV2_fp16 nnUNetTrainerV2_fp32
        nnUNetTrainerV2_copy1 nnUNetTrainerV2_copy2 nnUNetTrainerV2_copy3 nnUNetTrainerV2_copy4
        nnUNetTrainerV2_DA2 nnUNetTrainerV2_DA3 nnUNetTrainerV2_DA5 nnUNetTrainerV2_insaneDA
        nnUNetTrainerV2_independentScalePerAxis nnUNetTrainerV2_ForceBD nnUNetTrainerV2_ForceSD
        nnUNetTrainerV2_Loss_CE nnUNetTrainerV2_Loss_CEGDL nnUNetTrainerV2_Loss_Dice nnUNetTrainerV2_Loss_DicewithBG
        nnUNetTrainerV2_Loss_DiceCE_noSmooth nnUNetTrainerV2_Loss_DiceTopK10 nnUNetTrainerV2_Loss_Dice_LR1en3
        nnUNetTrainerV2_Loss_DicewithBG_LR1en3 nnUNetTrainerV2_Loss_Dice_squared nnUNetTrainerV2_Loss_MCC
        nnUNetTrainerV2_Loss_MCCnoBG nnUNetTrainerV2_Loss_TopK10 nnUNetTrainerV2_SegLoss_Focal
        nnUNetTrainerV2_graduallyTransitionFromCEToDice
        nnUNetTrainerV2_Adam nnUNetTrainerV2_Adam_ReduceOnPlateau nnUNetTrainerV2_Adam_nnUNetTrainerlr
        nnUNetTrainerV2_Ranger_lr1en2 nnUNetTrainerV2_Ranger_lr3en3 nnUNetTrainerV2_Ranger_lr3en4
        nnUNetTrainerV2_SGD_ReduceOnPlateau nnUNetTrainerV2_SGD_fixedSchedule nnUNetTrainerV2_SGD_fixedSchedule2
        nnUNetTrainerV2_SGD_lr1en1 nnUNetTrainerV2_SGD_lr1en3 nnUNetTrainerV2_cycleAtEnd nnUNetTrainerV2_cycleAtEnd2
        nnUNetTrainerV2_momentum09 nnUNetTrainerV2_momentum095 nnUNetTrainerV2_momentum098
        nnUNetTrainerV2_momentum09in2D nnUNetTrainerV2_reduceMomentumDuringTraining nnUNetTrainerV2_warmup
        nnUNetTrainerV2_noDeepSupervision nnUNetTrainerV2_softDeepSupervision
        nnUNetTrainerV2_3ConvPerStage nnUNetTrainerV2_3ConvPerStageSameFilters nnUNetTrainerV2_allConv3x3
        nnUNetTrainerV2_lReLU_biasInSegOutput
        """,
    "nnunet-v2": """
        nnUNetTrainer nnUNetTrainerDA5 nnUNetTrainerDA5ord0 nnUNetTrainerDA5Segord0 nnUNetTrainerDAOrd0
        nnUNetTrainerDASegOrd0 nnUNetTrainer_DASegOrd0 nnUNetTrainer_fasterDA nnUNetTrainer_noDummy2DDA
        nnUNetTrainerCELoss nnUNetTrainerDiceLoss nnUNetTrainerDiceCELoss_noSmooth nnUNetTrainerTopk10Loss
        nnUNetTrainerTopk10LossLS01 nnUNetTrainerDiceTopK10Loss nnUNetTrainerMemEffCEDice
        nnUNetTrainerCosAnneal nnUNetTrainer_warmup nnUNetTrainer_probabilisticOversampling
        nnUNetTrainer_probabilisticOversampling_033 nnUNetTrainer_probabilisticOversampling_010
        nnUNetTrainerAdam nnUNetTrainerAdam1en3 nnUNetTrainerAdam3en4 nnUNetTrainerVanillaAdam
        nnUNetTrainerVanillaAdam1en3 nnUNetTrainerVanillaAdam3en4 nnUNetTrainerAdan nnUNetTrainerAdan1en3
        nnUNetTrainerAdan3en4 nnUNetTrainerAdan1en1 nnUNetTrainerAdanCosAnneal nnUNetTrainerNoDeepSupervision
        nnUNetTrainerBenchmark
        """,
}
# The standard network, with fewer mirrors.
_FEWER_MIRRORS: dict[str, dict[str, tuple[int, ...]]] = {
    "nnunet-v1": {
        "nnUNetTrainerNoDA": NONE,
        "nnUNetTrainerV2_noDataAugmentation": NONE,
        "nnUNetTrainerV2_noMirroring": NONE,
    },
    "nnunet-v2": {
        "nnUNetTrainerNoDA": NONE,
        "nnUNetTrainerNoMirroring": NONE,
        "nnUNetTrainer_NoMirroring": NONE,
        "nnUNetTrainer_DASegOrd0_NoMirroring": NONE,
        "nnUNetTrainer_onlyMirror01": (0, 1),
        "nnUNetTrainer_onlyMirror01_DA5": (0, 1),
        "nnUNetTrainer_onlyMirror01_DASegOrd0": (0, 1),
    },
}
_MIRRORS = {
    version: dict.fromkeys(names.split(), ALL) | _FEWER_MIRRORS[version]
    for version, names in _MIRRORED.items()
}
# How long it trained changes nothing here.
_EPOCHS = re.compile(r"_\d{1,6}(epochs?|ep)(?=_|$)")


def mirrors_of(where: Path | str, version: str, trainer: object, given: str | None) -> tuple[int, ...]:
    """The axes, in nnU-Net's order, along which a trainer mirrors. given: the known trainer whose network it has.

    Raises InputError, naming the trainer, where it is not known.
    """
    name, source = (trainer, where) if given is None else (given, "--trainer")
    mirrors = _MIRRORS[version].get(_EPOCHS.sub("", name)) if isinstance(name, str) else None
    if mirrors is None:
        raise InputError(
            source,
            f"trainer {quoted(name)} is none whose network (norm, nonlinearity) and mirrors are known ({version})",
            "if both are those of a known trainer, name that with --trainer",
        )
    return mirrors
