"""Synthetic tumours set into real CTs that have target volumes, for weights that have seen real anatomy."""
