"""What radiographers of many countries write for with and without contrast agent."""

import pytest

from model.images.contrast import is_agent, is_sharp, role_by_words

PLAIN = """CT Neck w/o contrast|NECK WO CONTRAST 3.0 B30f|Non-contrast|noncontrast|H&N C-|Neck -C 2mm|unenhanced
NECT neck|Hals nativ|Hals ohne KM|HALS_NATIV_2.0_B30f|Schädel o. KM|Cou sans injection|sans contraste
Cuello sin contraste|TC cuello s/c|collo senza mdc|BASALE collo|pescoço sem contraste|s/ contraste
hals zonder contrast|BLANCO|hals uden kontrast|Hals utan kontrast|szyja bez kontrastu
Шея без контраста|нативная фаза|颈部平扫|頸部 単純|비조영 경부|Pre-contrast|pre KM|NCCT|not enhanced|PRE
C-Spine w/o IV contrast|Neck without IV contrast|Non ce|avant injection|vor KM
WITHOUT INTRAVENOUS CONTRAST|no intravenous contrast|without any contrast|without the contrast|w/out contrast
contrast-free|before contrast|No C+|CE-|CE(-)|KM -|contrast: no|KM: nein|IV neg|CONTRAST NOT GIVEN|KM 0
SIN MEDIO DE CONTRASTE|SENZA MEZZO DI CONTRASTO|senza m.d.c.|SEM MEIO DE CONTRASTE|SANS PRODUIT DE CONTRASTE
aucun contraste|pas de contraste|sin contraste iv|nessun contrasto|kein KM|keine KM|ohne intravenöses KM
Hals ohne i.v.-KM|geen contrast|ingen kontrast|bez środka kontrastowego|przed kontrastem
без внутривенного контраста|до введения контраста|без в/в контраста
造影なし|造影剤なし|无增强|未增强|无造影剂|before the administration of contrast"""
CONTRAST = """CT Neck w/ contrast|NECK W CONTRAST|with IV contrast|CECT H&N|CE 1.0|C+|Neck +C 2mm|H&N + C|enhanced
post contrast|Hals mit KM|Hals KM 3mm|nach Kontrastmittel|Cou avec injection|INJECTE|inj art
Cuello con contraste|TC cuello c/c|collo con mdc|pescoço com contraste|hals met contrast
hals med kontrast|z kontrastem|s kontrastem|с контрастом|颈部增强|造影 頸部|조영증강|Hals venös|arterielle Phase
VENOUS 60s|POST|Spätphase KM|con medio de contraste|avec produit de contraste|após o contraste|CE|KM 0.75
with non-ionic contrast|Contrast B30 no MAR|KM, ohne iMAR|POST CONTRAST W/O IMAR|Contrast 3mm non tilted
lymph node contrast|no gap, with contrast|pre-op with contrast|IV contrast 100 ml"""
NEITHER = """|CT Neck|H&N 3.0 B30f|C-Spine|Thorax|with and without contrast|W/WO CONTRAST|W & WO
pre and post contrast|pre/post|post op|pre RT|Planning CT|ART plan|C1-C7|mit und ohne KM|5 cm
Recon 2: BONE|com e sem contraste|med og uden kontrast|m/o KM|vor und nach KM|pre- and post-contrast"""
# A negation and a medium, but what they say together is not known.
DOUBTFUL = """non-iodinated contrast|neg. contrast|ohne orales KM|contrast, not sure|without venous phase
without much of contrast|vor geplanter KM|Hals KM - 3mm|增强没有"""


@pytest.mark.parametrize(
    ("texts", "role"),
    [(PLAIN, "plain"), (CONTRAST, "contrast"), (NEITHER, None), (DOUBTFUL, None)],
    ids=["plain", "ce", "none", "doubtful"],
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
        "Omnipaque 350, no oral contrast",
        "Iomeron + NaCl",
    )
    none = """| |NONE|no|No contrast|N/A|ohne|ORAL|oral contrast|0|-|without|sin|kein KM|KEINE|None given|n.a.|N|FALSE
0 ml|geen|aucun|ninguno|nativ|unenhanced|NONCONTRAST|NaCl|NaCl 0.9%|water|<none>|not administered"""
    none = none.replace("\n", "|").split("|")
    assert {text for text in given if not is_agent(text)} == set()
    assert {text for text in none if is_agent(text)} == set()


def test_kernels_for_bone_and_lung():
    sharp = [
        ("B70f", ""),
        ("BONE", ""),
        ("Lung", ""),
        ("FC81", ""),
        ("", "Neck_bone 1.0"),
        ("", "Knochen"),
        ("Br64", ""),
    ]
    soft = [("B30f", ""), ("STANDARD", ""), ("FC08", ""), ("", "Neck 3mm"), ("", "Backbone"), ("Br40", "")]
    assert {one for one in sharp if not is_sharp(*one)} == {one for one in soft if is_sharp(*one)} == set()
