"""Images on disk: their grids, reading (always verified), DICOM, writing. Without torch."""
