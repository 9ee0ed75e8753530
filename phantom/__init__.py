"""Synthetic paired head-and-neck CTs with a known GTVp and GTVnd."""

from phantom.scene import GEOMETRIES, Phantom, case_name, make_phantom, organ_sums

__all__ = ["GEOMETRIES", "Phantom", "case_name", "make_phantom", "organ_sums"]
