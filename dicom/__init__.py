"""DICOM in and out: studies, RTSTRUCT, SEG. Outside the challenge image, with packages of its own."""
