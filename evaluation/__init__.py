"""Scoring of predicted GTVp and GTVnd masks against references, with the conventions of the challenge."""
