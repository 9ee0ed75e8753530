"""From cases on disk to cases on the network's grid: check them all, decide the plan, preprocess.

What is there already is not done again. A run that goes on keeps its plan.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from tqdm import tqdm

from model.errors import InputError
from model.terminal import log
from training.data.cache import cache_from_files, check_space, is_cached
from training.data.planning import DataPlan, read_plan, write_plan
from training.data.sources import TrainingCase
from training.data.survey import Survey, survey_all, survey_table

# In the work folder.
PLAN = "plan.json"


def prepare(
    cases: list[TrainingCase],
    work: Path,
    decide: Callable[[list[Survey]], DataPlan],
    folder_of: Callable[[DataPlan], Path],
    *,
    resume: bool,
    jobs: int,
) -> None:
    """Leave plan.json in the work folder and every case in the folder for preprocessed ones.

    decide: from what the cases hold to the plan. folder_of: where cases preprocessed by a plan lie. Raises InputError
    where a case cannot be used or the disk is too small.
    """
    work.mkdir(parents=True, exist_ok=True)
    plan_file = work / PLAN
    resumed = resume and plan_file.exists()
    surveys = [] if resumed else checked(cases, jobs)
    plan = read_plan(plan_file) if resumed else decide(surveys)
    folder = folder_of(plan)
    missing = [case for case in cases if not is_cached(case, folder)]
    names = {case.name for case in missing}
    check_space(work, [survey for survey in surveys if survey.name in names], plan)
    if resumed:
        log(f"going on with {plan_file}; options that would change it are not looked at")
    else:
        write_plan(plan, plan_file)
        log(plan_file.read_text(encoding="utf-8").rstrip())
    with ProcessPoolExecutor(jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        done = pool.map(cache_from_files, missing, [plan] * len(missing), [folder] * len(missing))
        list(tqdm(done, total=len(missing), desc="preprocess", unit="case"))


def checked(cases: list[TrainingCase], jobs: int) -> list[Survey]:
    """What the cases hold, shown in a table. Raises InputError where any cannot be used."""
    surveys = list(tqdm(survey_all(cases, jobs), total=len(cases), desc="check", unit="case"))
    log(survey_table(surveys))
    bad = [survey for survey in surveys if survey.problem]
    if bad:
        fact = f"{len(bad)} of {len(cases)} cases cannot be used, see above"
        raise InputError("training data", fact, "correct or remove them")
    return surveys
