"""From cases on disk to cases on the network's grid: check them all, decide the plan, preprocess.

What is there already is not done again. A run that goes on keeps its plan.
"""

from collections.abc import Callable
from pathlib import Path

from model.errors import InputError
from model.terminal import log, show
from training.data.cache import cache_from_files, check_space, is_cached
from training.data.planning import read_plan, write_plan
from training.data.plans import DataPlan
from training.data.sources import TrainingCase
from training.data.survey import Survey, survey_case, survey_table
from training.data.workers import on_workers
from training.run.checkpoint import CHECKPOINT, clear
from training.run.lock import LOCK

# In the work folder.
PLAN = "plan.json"


def prepare(
    cases: list[TrainingCase],
    work: Path,
    decide: Callable[[list[Survey]], DataPlan],
    check: Callable[[DataPlan], None],
    folder_of: Callable[[DataPlan], Path],
    *,
    resume: bool,
    overwrite: bool,
    jobs: int,
    mine: list[Path],
) -> DataPlan:
    """Leave plan.json in the work folder and every case in the folder for preprocessed ones; returns the plan.

    decide: from what the cases hold to the plan. check: raises InputError where it is of no use. folder_of: where cases
    preprocessed by a plan lie. mine: this run's folders in the work folder; to overwrite, what runs have left in them
    is removed, in all of them before one begins anew. Raises InputError, with the plan and the runs that are there
    untouched, where a case cannot be used, the disk is too small, or other runs have another plan.
    """
    work.mkdir(parents=True, exist_ok=True)
    plan_file = work / PLAN
    if resume and plan_file.exists():
        plan = read_plan(plan_file)
        check(plan)
        missing = [case for case in cases if not is_cached(case, folder_of(plan))]
        check_space(work, checked(missing, jobs), plan)
        log(f"going on with {plan_file}; options that would change it are ignored")
    else:
        surveys = checked(cases, jobs)
        plan = decide(surveys)
        check(plan)
        _refuse_another_plan(plan, plan_file, others_than(mine))
        missing = [case for case in cases if not is_cached(case, folder_of(plan))]
        names = {case.name for case in missing}
        check_space(work, [survey for survey in surveys if survey.name in names], plan)
        for folder in mine if overwrite else []:
            clear(folder)
        write_plan(plan, plan_file)
        show(plan_file.read_text(encoding="utf-8").rstrip())
    on_workers(cache_from_files, [(case, plan, folder_of(plan)) for case in missing], jobs, "preprocess")
    return plan


def others_than(mine: list[Path]) -> list[str]:
    """Names of the folders beside this run's in which others train or have trained."""
    beside = {folder.parent for folder in mine}
    marks = [path for name in (CHECKPOINT, LOCK) for work in beside for path in work.glob(f"*/{name}")]
    return sorted({path.parent.name for path in marks if path.parent not in mine})


def _refuse_another_plan(plan: DataPlan, plan_file: Path, others: list[str]) -> None:
    """Raises InputError where other runs go by the plan that is there, and it is not this one."""
    if others and plan_file.exists() and read_plan(plan_file) != plan:
        fact = f"{', '.join(others)} was planned otherwise than this run would be"
        raise InputError(plan_file, fact, "give it with --config, or choose another --work")


def checked(cases: list[TrainingCase], jobs: int) -> list[Survey]:
    """What the cases hold, shown in a table. Raises InputError where any cannot be used."""
    surveys = on_workers(survey_case, [(case,) for case in cases], jobs, "check")
    if surveys:
        for line in survey_table(surveys).split("\n"):
            log(line)
    bad = [survey for survey in surveys if survey.problem]
    if bad:
        fact = f"{len(bad)} of {len(cases)} cases cannot be used, see above"
        raise InputError("training data", fact, "correct or remove them")
    return surveys
