"""One case from reading to writing, step by step, and all cases of a run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from traceback import format_exception
from typing import TYPE_CHECKING

from model.cases import Case
from model.cohort.extras import PREVIEW_FOLDER, Extras, taken_back, write_maps, write_picture
from model.cohort.manifest import Inputs
from model.cohort.reading import Reader, read
from model.cohort.stages import in_stages
from model.errors import InputError, reason
from model.images.grid import Grid, empty_labels, volume_cm3
from model.images.pair import Log
from model.images.read import read_grid
from model.images.write import write_channels, write_label_map
from model.network.memory import peak_bytes
from model.network.plan import Triple, triple
from model.preview.kept import Kept, keep
from model.preview.picture import Said, picture
from model.structures import LABELS
from model.terminal import detail, log, report, show_progress

if TYPE_CHECKING:  # torch takes seconds to import: wrong input is reported before
    from model.inference.confidence import Trust
    from model.inference.predictor import Predictor, Prepared, Segmentation

# Below, a mask is expected to be half wrong, and deserves a warning.
LOW_CONFIDENCE = 0.5
WRITERS = {"label_map": write_label_map, "channels": write_channels}


@dataclass
class CaseLog:
    """What is said of one case, kept back until it is its turn. warnings: those among the lines, without that word."""

    warnings: list[str] = field(default_factory=list)
    held: list[str] | None = field(default_factory=list)

    def __call__(self, line: str) -> None:
        if line.startswith("warning: "):
            self.warnings.append(line.removeprefix("warning: "))
        if self.held is None:
            log(line)
        else:
            self.held.append(line)

    def progress(self, name: str, done: int, total: int, seconds_left: float) -> bool:
        """On a terminal, a bar; False where there is none."""
        return self.held is None and show_progress(name, done, total, seconds_left)

    def release(self) -> None:
        """Print what was kept back, and all that follows at once."""
        for line in self.held or []:
            log(line)
        self.held = None


@dataclass(frozen=True)
class Outcome:
    """What came of one case. seconds: of its own work, in all and in the network. Volumes are None without a result.

    inputs: what the CTs' files were before they were read; empty where they could not be.
    """

    seconds: float
    warnings: list[str]
    network_seconds: float = 0.0
    passes: int = 0
    gtvp_cm3: float | None = None
    gtvnd_cm3: float | None = None
    error: InputError | None = None
    empty: bool = False
    inputs: Inputs = field(default_factory=list)
    trust: "Trust | None" = None


def segment_all(
    cases: list[Case],
    predictor: "Predictor | None",
    on_error: str = "fail",
    extras: Extras | None = None,
    reader: Reader = read,
) -> Iterator[tuple[Case, Outcome]]:
    """All cases in order. While the network works on one, the next is read and the last is written.

    predictor: None where all cases have a fault; it makes the maps, extras says where they go, and whether there are
    pictures.
    """
    logs = {case.name: CaseLog() for case in cases}
    # Whatever one case does must not end the others; alone, the traceback of a bug says more.
    expected = (Exception,) if len(cases) > 1 else (InputError, MemoryError)

    def make(case: Case, loaded: Loaded) -> Made:
        assert predictor is not None
        logs[case.name].release()
        return predict(loaded, predictor, logs[case.name])

    for case, outcome in in_stages(
        cases,
        lambda case: load(case, predictor, logs[case.name], reader, preview=bool(extras and extras.preview)),
        make,
        lambda case, made: finish(case, made, logs[case.name], extras),
        expected,
        predictor.begin_reader if predictor else lambda: None,
    ):
        case_log = logs.pop(case.name)
        case_log.release()
        if isinstance(outcome, Exception):
            if not isinstance(outcome, InputError):
                for line in "".join(format_exception(outcome)).splitlines():
                    detail(line)
            failure = as_input_error(case, outcome)
            report(failure)
            empty = on_error == "empty" and write_empty(case)
            outcome = Outcome(0.0, case_log.warnings, error=failure, empty=empty)
        yield case, outcome


def segment(case: Case, predictor: "Predictor", reader: Reader = read) -> Outcome:
    """One case: read the pair → crop, resample, normalise → network → back to the input grid → write."""
    for _, outcome in segment_all([case], predictor, reader=reader):
        if outcome.error:
            raise outcome.error
        return outcome
    raise AssertionError("one case has one outcome")


@dataclass(frozen=True)
class Loaded:
    """A pair as the network will see it; prepared is None where it shows no body. kept: for a picture."""

    prepared: "Prepared | None"
    grid: Grid
    shape_zyx: Triple
    inputs: Inputs
    seconds: float
    kept: Kept | None = None


@dataclass(frozen=True)
class Made:
    """The masks of a pair, not yet written."""

    segmentation: "Segmentation"
    grid: Grid
    inputs: Inputs
    seconds: float
    kept: Kept | None = None


def load(
    case: Case, predictor: "Predictor | None", case_log: Log, reader: Reader = read, *, preview: bool = False
) -> Loaded:
    """Read the pair → crop, resample, normalise. The CTs themselves, half a gigabyte, are given back."""
    with memory_errors():
        scans = reader(case, case_log)
        start, pair = time.perf_counter(), scans.pair
        assert predictor is not None
        prepared = predictor.prepare(pair, case_log)
        kept = keep(pair.ct, pair.ce, pair.spacing_zyx, pair.grid) if preview else None
    seconds = scans.seconds + time.perf_counter() - start
    return Loaded(prepared, pair.grid, triple(pair.ct.shape), scans.inputs, seconds, kept)


def predict(loaded: Loaded, predictor: "Predictor", case_log: Log) -> Made:
    """Through the network and back to the input grid."""
    start = time.perf_counter()
    with memory_errors():
        segmentation = predictor.predict_and_restore(loaded.prepared, loaded.shape_zyx, case_log)
    warn_of_low_confidence(segmentation, case_log)
    seconds = loaded.seconds + time.perf_counter() - start
    return Made(segmentation, loaded.grid, loaded.inputs, seconds, loaded.kept)


def warn_of_low_confidence(segmentation: "Segmentation", case_log: Log) -> None:
    """A line for each structure that has one."""
    for structure, value in confidence_of(segmentation).items():
        if value < LOW_CONFIDENCE:
            case_log(f"warning: {structure}: the confidence is only {value:.2f}: look at it closely")


def confidence_of(segmentation: "Segmentation") -> dict[str, float]:
    """By structure; empty where the weights have no calibration."""
    return (segmentation.trust and segmentation.trust.confidence) or {}


@contextmanager
def memory_errors() -> Iterator[None]:
    """torch has no exception of its own for a CPU's memory."""
    try:
        yield
    except RuntimeError as error:
        if "alloc" in str(error) or "out of memory" in str(error):
            raise MemoryError(reason(error)) from None
        raise


def finish(case: Case, made: Made, case_log: CaseLog, extras: Extras | None = None) -> Outcome:
    """Write the masks and what is to lie beside them, and say how it went. The masks come last."""
    start, segmentation = time.perf_counter(), made.segmentation
    volumes = volumes_cm3(segmentation, made.grid)
    with taken_back(extras.paths(case) if extras else []):
        if extras:
            draw(case, made, volumes, case_log, extras)
            write_maps(extras, case, segmentation.maps, made.grid, case_log)
        begin = time.perf_counter()
        WRITERS[case.kind](case.output, segmentation.labels, made.grid)
    case_log(f"write {case.output}: {time.perf_counter() - begin:.1f} s")
    seconds, network_seconds = made.seconds + time.perf_counter() - start, segmentation.network_seconds
    told = ", ".join(f"{name} {words}" for name, words in in_words(segmentation, volumes).items())
    case_log(
        f"{case.name}: {told}, {seconds:.1f} s (network"
        f" {network_seconds:.1f} s, rest {seconds - network_seconds:.1f} s){peak_memory()}"
    )
    return Outcome(
        seconds,
        case_log.warnings,
        network_seconds,
        segmentation.passes,
        gtvp_cm3=volumes["GTVp"],
        gtvnd_cm3=volumes["GTVnd"],
        inputs=made.inputs,
        trust=segmentation.trust,
    )


def volumes_cm3(segmentation: "Segmentation", grid: Grid) -> dict[str, float]:
    """By structure."""
    return {name: volume_cm3(segmentation.labels, label, grid) for name, label in LABELS.items()}


def in_words(segmentation: "Segmentation", volumes: dict[str, float]) -> dict[str, str]:
    """Of each structure its volume, and the confidence where there is one."""
    confidence = confidence_of(segmentation)
    return {
        name: f"{volume:.1f} cm³" + (f" (confidence {confidence[name]:.2f})" if name in confidence else "")
        for name, volume in volumes.items()
    }


def draw(case: Case, made: Made, volumes: dict[str, float], case_log: CaseLog, extras: Extras) -> None:
    """The picture, where one is asked for."""
    if made.kept is None:
        return
    start, path = time.perf_counter(), extras.path(case, PREVIEW_FOLDER)
    said = Said(case.name, in_words(made.segmentation, volumes), case_log.warnings)
    write_picture(path, picture(made.kept, made.segmentation.labels, said))
    case_log(f"write {path}: {time.perf_counter() - start:.1f} s")


def as_input_error(case: Case, error: Exception) -> InputError:
    """The one line for a case that failed, whatever the reason."""
    if isinstance(error, InputError):
        return error
    if isinstance(error, MemoryError):
        fact, remedy = f"not enough memory ({reason(error)})", "give the container more memory"
    else:
        fact, remedy = f"{type(error).__name__}: {reason(error)}", "run it alone"
    return InputError(case.name, fact, remedy)


def write_empty(case: Case) -> bool:
    """An all-background result on the CT's grid, or else the contrast CT's; False where none can be written."""
    for path in dict.fromkeys((case.ct, case.ce)):
        try:
            grid = read_grid(path)
        except InputError:
            continue
        try:
            WRITERS[case.kind](case.output, empty_labels(grid), grid)
        except InputError as error:  # on the other CT's grid it would be a wrong one
            log(f"{case.name}: no empty mask either: {error}")
            return False
        log(f"{case.name}: empty mask, since the case cannot be segmented")
        return True
    return False


def peak_memory() -> str:
    """Of the whole process so far, to be put behind the rest of a line; empty where the system does not tell."""
    import torch  # seconds: not where no case can be read

    text = f", peak memory {peak / 1e9:.2f} GB" if (peak := peak_bytes()) else ""
    if torch.cuda.is_initialized():
        most = max(map(torch.cuda.max_memory_allocated, range(torch.cuda.device_count())))
        text += f", of the GPU {most / 1e9:.2f} GB"
    return text
