"""Synthetic training cases."""

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tqdm import tqdm

from phantom import case_name, make_phantom
from phantom.write import write_folder

# One phantom in so many has SegRap's own grid, the others a coarser one, quick to make.
FULL_SIZE_EVERY = 10


def make_phantoms(count: int, seed: int, folder: Path, jobs: int) -> None:
    """Those of the first `count` that are not there yet, on so many processes."""
    missing = [number for number in range(count) if not (folder / case_name(number)).exists()]
    with ProcessPoolExecutor(jobs) as pool:
        done = pool.map(make_one, missing, [seed] * len(missing), [folder] * len(missing))
        list(tqdm(done, total=len(missing), desc="phantoms", unit="case"))


def make_one(number: int, seed: int, folder: Path) -> None:
    """A case of `python -m phantom --seed S`; it takes its name when it is whole. Raises InputError."""
    phantom = make_phantom(seed, number, "small" if number % FULL_SIZE_EVERY else "segrap")
    unfinished = folder / f".{case_name(number)}"
    write_folder(phantom, unfinished)
    unfinished.rename(folder / case_name(number))
