"""A submission on grand-challenge: predictions.json, what its jobs wrote and the ground truth → metrics.json.

Jobs have random names; which case a job is of is said by the name of the CT that it was given. The ground truth lies in
any of evaluate.py's layouts, cases called like those CTs.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.cases import CaseFiles, Found, MatchedCase
from evaluation.folders import image_files
from evaluation.names import meant, one_form
from evaluation.processes import evaluate_cases
from evaluation.rows import row
from evaluation.run import CaseResult, Settings
from evaluation.statistics import statistics, without_voxels
from evaluation.summary import average_score, summarise
from model.documents import read_json
from model.errors import InputError, one_line, reason
from model.images.read import image_stem, image_suffix

PREDICTIONS, METRICS = "predictions.json", "metrics.json"
CT_SOCKET, RESULT_SOCKET = "images/head-neck-ct", "images/gross-tumor-volume-segmentation"
_AS_WRITTEN = "give predictions.json as grand-challenge writes it"


@dataclass(frozen=True)
class Job:
    """One run of the algorithm: its primary key, the name of its CT without suffix, and the folder of its result.

    result: None where it has no segmentation among its outputs, as one that failed.
    """

    pk: str
    ct: str
    result: Path | None


def read_jobs(folder: Path) -> list[Job]:
    """Those of predictions.json in the folder mounted as /input. Raises InputError where it is not as expected."""
    path = folder / PREDICTIONS
    content = read_json(path, _AS_WRITTEN)
    try:
        written = [value for entry in content for value in entry.get("outputs", ())]
        named = bool(_images(written, RESULT_SOCKET))
        jobs = [_job(entry, folder, named) for entry in content]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        fact = f"not what the platform writes ({type(error).__name__}: {str(error)[:80]})"
        raise InputError(path, fact, _AS_WRITTEN) from None
    if not jobs:
        raise InputError(path, "no jobs in it", "submit an algorithm that ran on some case")
    return jobs


def _job(entry: dict[str, Any], folder: Path, named: bool) -> Job:
    """named: whether some job has the result's socket; then no other image is taken for a result.

    Raises KeyError, TypeError, ValueError or AttributeError.
    """
    pk = str(entry["pk"])
    if Path(pk).name != pk or pk in ("", "..") or not pk.isprintable():  # not a folder's name
        raise ValueError(f"pk {pk}")
    inputs, outputs = entry["inputs"], entry["outputs"]
    given = _only(_images(inputs, CT_SOCKET) or _images(inputs), CT_SOCKET)
    name = str(given["image"]["name"])
    stem = image_stem(Path(name)) if image_suffix(Path(name)) else name
    if not (written := _images(outputs, RESULT_SOCKET) if named else _images(outputs)):
        return Job(pk, stem, None)
    place = Path(_socket(_only(written, RESULT_SOCKET))["relative_path"])
    if place.is_absolute() or ".." in place.parts:
        raise ValueError(f"relative_path {place}")
    return Job(pk, stem, folder / pk / "output" / place)


def _images(values: list[dict[str, Any]], relative_path: str | None = None) -> list[dict[str, Any]]:
    """All images, or those of the socket with this path."""
    images = [value for value in values if _socket(value).get("is_image_kind", value.get("image"))]
    if relative_path is None:
        return images
    return [value for value in images if _socket(value)["relative_path"] == relative_path]


def _only(found: list[dict[str, Any]], relative_path: str) -> dict[str, Any]:
    if len(found) != 1:
        raise ValueError(f"{len(found)} images where {relative_path} should be")
    return found[0]


def _socket(value: dict[str, Any]) -> dict[str, Any]:
    """Older templates called it interface."""
    socket = value["socket"] if "socket" in value else value["interface"]
    return dict(socket)


def match_jobs(jobs: list[Job], references: Found, root: Path) -> list[tuple[MatchedCase, str]]:
    """Each case of the ground truth with its job's result, and the job's key ("": it has none).

    root: of the ground truth. Raises InputError where a job has no reference or shares it with another.
    """
    if references.problems:
        raise references.problems[0]
    by_case: dict[str, Job] = {}
    names = {one_form(name): name for name in references.cases}
    for job in jobs:
        name = names.get(one_form(job.ct)) or meant(job.ct, references.cases)
        if name is None:
            fact = f"no reference for the CT {one_line(job.ct)} of job {job.pk}"
            raise InputError(root, fact, "name each reference as the CT in the phase's archive")
        if name in by_case:
            raise InputError(root, f"two jobs are of {name}", "give each case of the archive its own name")
        by_case[name] = job
    return [
        (MatchedCase(name, files, _prediction(name, job)), job.pk)
        if job
        else (MatchedCase(name, files, None), "")
        for name, files in references.cases.items()
        for job in [by_case.get(name)]
    ]


def _prediction(name: str, job: Job) -> CaseFiles | None:
    """The one image in the folder of its result; None without any."""
    if job.result is None:
        return None
    try:
        files, problems = image_files(job.result) if job.result.is_dir() else ([], [])
    except (OSError, ValueError) as error:  # such as a path too long, or of another's folder
        fault = InputError(job.result, f"cannot be looked into ({reason(error)})", "make it readable")
        return CaseFiles(name, None, {}, fault)
    if len(files) == 1 and not problems:
        return CaseFiles(name, files[0], {})
    if not files and not problems:
        return None
    fault = problems[0] if problems else InputError(job.result, f"{len(files)} images", "write one")
    return CaseFiles(name, None, {}, fault)


def metrics(
    cases: list[tuple[MatchedCase, str]], settings: Settings, jobs: int | None
) -> tuple[dict[str, Any], list[str]]:
    """The content of metrics.json, and all problems in words.

    Raises InputError where a reference cannot be used: then no submission can be judged.
    """
    found = {result.name: result for result in evaluate_cases([case for case, _ in cases], settings, jobs)}
    results = [found[case.name] for case, _ in cases]
    for result in results:
        if len(result.scores) < len(settings.structures):
            fact = f"the ground truth cannot be used: {'; '.join(result.problems)}"
            raise InputError(result.name, fact, "correct the ground truth")
    problems = [problem for result in results for problem in result.problems]
    problems += without_voxels(results, settings)
    per_case = [_per_case(found[case.name], pk, settings) for case, pk in cases]
    return {"results": per_case, "aggregates": _aggregates(results, settings), "problems": problems}, problems


def _per_case(result: CaseResult, pk: str, settings: Settings) -> dict[str, Any]:
    scores = {
        structure: row(score, settings, result.lesions.get(structure))
        for structure, score in result.scores.items()
    }
    return {"case": result.name, "pk": pk, **scores, "problems": list(result.problems)}


def _aggregates(results: list[CaseResult], settings: Settings) -> dict[str, Any]:
    """By structure and measure: the board names them as in aggregates.GTVp.dsc.mean."""
    aggregates: dict[str, Any] = {"average_score": average_score(summarise(results, settings))}
    for s in statistics(results, settings):
        values = {"mean": s.mean, "sd": s.sd, "median": s.median, "count": s.count, "undefined": s.undefined}
        penalised = {} if s.penalised_mean is None else {"penalised_mean": s.penalised_mean}
        aggregates.setdefault(s.structure, {})[s.measure] = values | penalised
    return aggregates


def as_text(content: dict[str, Any]) -> str:
    """JSON without NaN, which the platform refuses."""
    return json.dumps(content, indent=2, allow_nan=False) + "\n"
