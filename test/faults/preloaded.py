"""What every child has loaded: importing torch anew for hundreds of faults would take many minutes."""

import torch

import dicom.segment  # noqa: F401
import evaluate  # noqa: F401
import model.importing.convert  # noqa: F401
import model.inference.predictor  # noqa: F401
import model.network.bundle  # noqa: F401
import model.serve  # noqa: F401
import phantom.scene  # noqa: F401
import process  # noqa: F401
import train  # noqa: F401

# No thread may run when children are forked.
torch.set_num_threads(1)
