"""DICOM in and out: studies, RTSTRUCT and SEG. Outside the challenge image; its packages are in requirements.txt beside this file."""
