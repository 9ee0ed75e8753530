"""All that is said of the cases that were scored, computed once: for the terminal, the JSON and the report."""

from dataclasses import dataclass, field

from evaluation.agreement import Agreement, agreement, agreement_table
from evaluation.detection import Detection, detection, detection_table
from evaluation.froc import Froc, froc, froc_table
from evaluation.ranking import Ranking
from evaluation.run import CaseResult, Settings
from evaluation.statistics import Statistics, caveats, statistics, statistics_table
from evaluation.summary import Difference, Summary, summarise


@dataclass(frozen=True)
class Findings:
    """Of one set of predictions; problems and notes are in words.

    differences: to the results of another set (other). order: of all teams, by whose name their results stand in teams.
    """

    settings: Settings
    results: list[CaseResult]
    problems: list[str]
    summaries: list[Summary]
    statistics: list[Statistics]
    volumes: list[Agreement]
    lesions: list[Detection]
    froc: list[Froc]
    notes: list[str]
    differences: list[Difference] = field(default_factory=list)
    other: list[CaseResult] = field(default_factory=list)
    order: Ranking | None = None
    teams: dict[str, list[CaseResult]] = field(default_factory=dict)


def findings(results: list[CaseResult], problems: list[str], settings: Settings) -> Findings:
    """Without others."""
    return Findings(
        settings,
        results,
        problems,
        summarise(results, settings),
        statistics(results, settings),
        agreement(results, settings),
        detection(results, settings),
        froc(results, settings),
        caveats(results, settings),
    )


def further_tables(found: Findings) -> str:
    """For a terminal, all but DSC and NSD: distances, volumes, lesions, and what to think of the intervals."""
    parts = [statistics_table(found.statistics, found.settings)]
    parts += [agreement_table(found.volumes)] if found.volumes else []
    parts += [detection_table(found.lesions)] if found.lesions else []
    parts += [froc_table(found.froc)] if found.froc else []
    return "\n".join([*parts, *found.notes])
