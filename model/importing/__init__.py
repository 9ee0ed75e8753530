"""nnU-Net models turned into weights files. Not part of the image."""
