"""What radiographers of many countries write for with and without contrast agent."""

import pytest

from model.images.contrast import is_agent, role_by_words

PLAIN = """CT Neck w/o contrast|NECK WO CONTRAST 3.0 B30f|Non-contrast|noncontrast|H&N C-|Neck -C 2mm|unenhanced
NECT neck|Hals nativ|Hals ohne KM|HALS_NATIV_2.0_B30f|Schädel o. KM|Cou sans injection|sans contraste
Cuello sin contraste|TC cuello s/c|collo senza mdc|BASALE collo|pescoço sem contraste|s/ contraste
hals zonder contrast|BLANCO|hals uden kontrast|Hals utan kontrast|szyja bez kontrastu
Шея без контраста|нативная фаза|颈部平扫|頸部 単純|비조영 경부|Pre-contrast|pre KM|NCCT|not enhanced|PRE
C-Spine w/o IV contrast|Neck without IV contrast|Non ce|avant injection|vor KM"""
CONTRAST = """CT Neck w/ contrast|NECK W CONTRAST|with IV contrast|CECT H&N|CE 1.0|C+|Neck +C 2mm|H&N + C|enhanced
post contrast|Hals mit KM|Hals KM 3mm|nach Kontrastmittel|Cou avec injection|INJECTE|inj art
Cuello con contraste|TC cuello c/c|collo con mdc|pescoço com contraste|hals met contrast
hals med kontrast|z kontrastem|s kontrastem|с контрастом|颈部增强|造影 頸部|조영증강|Hals venös|arterielle Phase
VENOUS 60s|POST|Spätphase KM"""
NEITHER = """|CT Neck|H&N 3.0 B30f|C-Spine|Thorax|with and without contrast|W/WO CONTRAST|W & WO
pre and post contrast|pre/post|post op|pre RT|Planning CT|ART plan|C1-C7|mit und ohne KM|5 cm
Recon 2: BONE"""


@pytest.mark.parametrize(
    ("texts", "role"),
    [(PLAIN, "plain"), (CONTRAST, "contrast"), (NEITHER, None)],
    ids=["plain", "ce", "none"],
)
def test_words_of_many_languages(texts, role):
    wrong = {text: role_by_words(text) for text in texts.replace("\n", "|").split("|")}
    assert {text: found for text, found in wrong.items() if found != role} == {}


def test_agents():
    given = (
        "Omnipaque 350",
        "APPLIED",
        "YES",
        "IV",
        "Ultravist",
        "Iopamidol",
        "ORAL & IV",
        "Non-ionic",
        "Gastro + i.v.",
    )
    none = (
        "",
        " ",
        "NONE",
        "no",
        "No contrast",
        "N/A",
        "ohne",
        "ORAL",
        "oral contrast",
        "0",
        "-",
        "without",
        "sin",
    )
    assert {text for text in given if not is_agent(text)} == set()
    assert {text for text in none if is_agent(text)} == set()
