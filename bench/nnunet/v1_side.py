"""nnU-Net v1's side of bench.nnunet.v1, run by the Python that has nnunet 1.7; gtvseg is not imported here.

v1_side.py MODEL CT CE OUT: segments one case on the CPU in float32 with all mirrors, as nnUNet_predict does, and
writes OUT.nii.gz and OUT.npy, the probabilities (classes, z, y, x) on the network's grid.
"""

import sys

import numpy as np
from nnunet.inference.segmentation_export import save_segmentation_nifti_from_softmax
from nnunet.training.model_restore import load_model_and_checkpoint_files


def main() -> None:
    model, ct, ce, out = sys.argv[1:]
    trainer, (parameters,) = load_model_and_checkpoint_files(
        model, [0], mixed_precision=False, checkpoint_name="model_final_checkpoint"
    )
    trainer.load_checkpoint_ram(parameters, False)
    data, _, properties = trainer.preprocess_patient([ct, ce])
    softmax = trainer.predict_preprocessed_data_return_seg_and_softmax(
        data, do_mirroring=True, mirror_axes=trainer.data_aug_params["mirror_axes"], mixed_precision=False
    )[1]
    np.save(out, softmax)
    # nnUNet_predict's own settings for plans that say nothing of the export
    save_segmentation_nifti_from_softmax(
        softmax, out + ".nii.gz", properties, order=1, force_separate_z=None, interpolation_order_z=0
    )


if __name__ == "__main__":
    main()
