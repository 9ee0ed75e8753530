"""Benchmarks: each prints its figures; README.md keeps them."""
