"""Synthetic training cases."""

from pathlib import Path

from phantom import case_name, make_phantom
from phantom.write import whole_case, write_folder
from training.data.workers import on_workers

# One phantom in so many has SegRap's own grid, the others a coarser one, quick to make.
FULL_SIZE_EVERY = 10


def make_phantoms(count: int, seed: int, folder: Path, jobs: int) -> None:
    """Those of the first `count` that are not there yet, on so many processes. Raises InputError."""
    missing = [number for number in range(count) if not (folder / case_name(number)).exists()]
    on_workers(make_one, [(number, seed, folder) for number in missing], jobs, "phantoms")


def make_one(number: int, seed: int, folder: Path) -> None:
    """A case of `python -m phantom --seed S`, whole or not at all. Raises InputError."""
    phantom = make_phantom(seed, number, "small" if number % FULL_SIZE_EVERY else "segrap")
    with whole_case(folder, number) as unfinished:
        write_folder(phantom, unfinished / case_name(number))
