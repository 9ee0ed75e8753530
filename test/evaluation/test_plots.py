"""Plots are SVG for the page: no colour of their own, dots that lead to cases, names that are text."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from evaluation.agreement import agreement
from evaluation.metrics import score
from evaluation.plots import Dot, bland_altman, blobs, distribution, dots_of, paired, size_against, teams
from evaluation.ranking import ranking
from evaluation.run import CaseResult, Settings
from evaluation.shown import MOST_CASES

SETTINGS = Settings(("GTVp", "GTVnd"), (1.0,))
NAME = 'a<b>&"$x^{$'


def results(seed: int, count: int = 4) -> list[CaseResult]:
    masks = np.random.default_rng(seed).random((count, 2, 4, 8, 8)) > 0.5
    return [
        CaseResult(str(k), {s: score(a, b, (3.0, 1.0, 1.0)) for s in SETTINGS.structures}, ())
        for k, (a, b) in enumerate(masks)
    ]


def dots(count: int) -> list[Dot]:
    return [Dot(float(k + 1), float(50 + k), k, f"{NAME} {k}") for k in range(count)]


def drawn(count: int) -> list[str]:
    (volumes, *_) = agreement(results(0, max(1, count)), SETTINGS)
    return [
        distribution("DSC [%]", {"GTVp": dots(count), "GTVnd": dots(count)}),
        paired("DSC [%]", ("other", NAME), {"GTVp": [(d, d) for d in dots(count)]}),
        bland_altman(volumes, dots(count)),
        size_against("volume [cm³]", "DSC [%]", {"GTVp": dots(count)}),
        teams("DSC [%]", [(NAME, dots(count)), ("b", dots(count))], "#000003"),
    ]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_every_dot_is_a_link_with_its_words(count):
    for svg in drawn(count):
        links = re.findall(r'<a href="#case-(\d+)"><title>([^<]*)</title>', svg)
        assert {int(number) for number, _ in links} == set(range(count))
        assert {words for _, words in links} == {f"a&lt;b&gt;&amp;&quot;$x^{{$ {k}" for k in range(count)}


def test_a_dot_of_a_case_that_the_page_does_not_show_has_words_and_no_link():
    """What the page has no more room for: it would lead nowhere."""
    given = [Dot(float(k), 1.0, k, f"case {k}") for k in (MOST_CASES - 1, MOST_CASES)]
    svg = distribution("DSC [%]", {"GTVp": given})
    assert re.findall(r"<a([^>]*)><title>case (\d+)</title>", svg) == [
        (f' href="#case-{MOST_CASES - 1}"', str(MOST_CASES - 1)),
        ("", str(MOST_CASES)),
    ]


def test_plots_have_the_pages_colours_and_need_nothing_from_outside():
    order = ranking({NAME: results(1), "b": results(2)}, {}, SETTINGS, draws=20)
    for svg in [*drawn(3), blobs(order)]:
        ElementTree.fromstring(svg.replace("xlink:href", "href"))  # well-formed
        assert "http" not in svg and "<style" not in svg and "<b>" not in svg
        assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) <= {"#ffffff"}
        texts = re.findall(r"<text[^>]*>", svg)
        assert texts and all(
            "fill: var(--" in text for text in texts
        )  # black has none, and is not seen in the dark


def test_dots_are_the_defined_values():
    cases = results(3)
    found = dots_of(
        cases, {str(k): k for k in range(4)}, SETTINGS, lambda s, r: r.scores[s].hd95_mm, "{:.1f} mm"
    )
    assert [d.x for d in found["GTVp"]] == [r.scores["GTVp"].hd95_mm for r in cases]
    nothing = dots_of(cases, {}, SETTINGS, lambda s, r: float("nan"), "{}")
    assert nothing == {}
