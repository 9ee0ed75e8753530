"""What is said is true, and only said where it is."""

from dataclasses import replace

import numpy as np
import pytest

from evaluation.findings import Findings, findings
from evaluation.lesions import match_lesions
from evaluation.metrics import score
from evaluation.run import CaseResult, Settings
from evaluation.sentences import score_card, sentences, worst_cases
from evaluation.summary import Difference

SETTINGS = Settings(("GTVnd",), (1.0,))
SPACING = (2.0, 1.0, 1.0)


def case(name: str, reference: list[int], prediction: list[int]) -> CaseResult:
    """Cubes of these sides in voxels, each in its own place; 0 for none."""
    masks = np.zeros((2, 12, 20, 80), bool)
    for mask, sides in zip(masks, (reference, prediction), strict=True):
        for place, side in enumerate(sides):
            mask[1 : 1 + side // 2, 2 : 2 + side, 20 * place + 2 : 20 * place + 2 + side] = True
    truth, mask = masks
    matching = {"GTVnd": match_lesions(mask, truth, SPACING)}
    return CaseResult(name, {"GTVnd": score(mask, truth, SPACING)}, (), matching)


def found_of(*cases: CaseResult) -> Findings:
    return findings(list(cases), [], SETTINGS)


def test_missed_and_false_lesions_are_counted_with_their_sizes():
    """Sides of 8 and 14 voxels are 0.512 and 2.744 cm³."""
    said = sentences(found_of(case("a", [14, 8, 14], [14, 0, 0]), case("b", [14, 8, 0], [14, 0, 8])))
    assert "GTVnd: 3 of 5 lesions missed; 2 of those below 1 cm³, the largest 2.7 cm³." in said
    assert "GTVnd: one false lesion in 1 case, of 0.51 cm³." in said
    said = sentences(found_of(case("a", [14, 8, 8], [14, 0, 0])))
    assert "GTVnd: 2 of 3 lesions missed; all below 1 cm³." in said
    said = sentences(found_of(case("a", [14, 14], [14, 0])))
    assert "GTVnd: 1 of 2 lesions missed; the largest 2.7 cm³." in said
    assert "GTVnd: no lesion missed (of 1)." in sentences(found_of(case("a", [14], [14])))


@pytest.mark.parametrize(
    "sides, words",
    [([12, 12, 12], "too small on average"), ([14, 14, 14], "no bias"), ([16, 16, 16], "too large")],
)
def test_a_bias_of_volume_is_said_where_it_is_beyond_chance(sides, words):
    said = sentences(found_of(*(case(str(k), [14], [side]) for k, side in enumerate(sides))))
    assert any(words in sentence for sentence in said)


def test_poor_cases_and_undefined_distances_are_named():
    said = sentences(found_of(case("good", [14], [14]), case("bad", [14], [0])))
    assert "GTVnd: DSC below 50 % in 1 of 2 cases, the lowest 0 % (bad)." in said
    assert any("distances are not defined in 1 case" in sentence for sentence in said)
    worst = worst_cases(
        found_of(case("good", [14], [14]), case("bad", [14, 8], [14, 0]), case("none", [14], [0]))
    )
    assert [w.name for w in worst] == ["none", "bad"]
    assert "nothing predicted" in worst[0].why and "1 of 2 lesions missed" in worst[1].why


def test_others_are_spoken_of_where_there_are_some():
    found = found_of(case("a", [14], [14]))
    assert not any("other" in sentence for sentence in sentences(found))
    change = Difference("dsc", "GTVnd", 20, 0.031, 0.004)
    assert "Against the other predictions: GTVnd DSC +3.1 points (p = 0.004)." in sentences(
        replace(found, differences=[change])
    )
    assert "Against the other predictions: no difference beyond chance." in sentences(
        replace(found, differences=[replace(change, p=0.2)])
    )


def test_the_score_card_has_the_summarys_figures():
    found = found_of(case("a", [14, 8], [14, 0]), case("b", [14], [14]))
    cards = {card.title: card.value for card in score_card(found)}
    mean = 100 * np.mean([r.scores["GTVnd"].dsc for r in found.results])
    assert cards["GTVnd DSC"] == f"{mean:.1f} %" and cards["GTVnd lesions found"] == "2 of 3"
    assert set(cards) == {"GTVnd DSC", "GTVnd NSD 1 mm", "GTVnd HD95", "GTVnd lesions found"}
