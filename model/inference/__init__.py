"""Sliding-window prediction: where to look, through which mirrors, and how the windows are added up."""
