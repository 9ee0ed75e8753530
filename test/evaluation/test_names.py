"""What names of files and folders say about the masks in them."""

import pytest

from evaluation.names import (
    alike,
    cohort_in,
    cohort_itself,
    one_form,
    says_nothing,
    what_name_says,
    without_last_word,
)

PRIMARY = [
    "GTVp", "gtvp", "GTVP", "Gtvp", "GTV_p", "GTV-P", "GTV.p", "GTV p", "gtv_primary", "GTVprimary", "GTV_T", "GTVt",
    "GTVnx", "GTVp_seg", "GTVp-mask", "pred_GTVp",
    "GTVp_prediction", "GTVpMask", "GTVp (reference)", "GTV_pt", "ＧＴＶｐ",
    "primary", "PRIMARY", "Primary", "primary tumor", "primary_tumour", "PrimaryTumor", "primary-GTV", "Primärtumor",
    "Gross_Tumor_Volume_Primary",
]  # fmt: skip
NODES = [
    "GTVnd", "gtvnd", "GTVND", "Gtvnd", "GTVn", "GTVN", "gtv_n", "GTV-N", "GTV n", "GTV_nd", "GTV_ND", "GTV.nodes",
    "GTVln", "GTV_LN", "GTVnodes", "gtvNodes", "GTV_nodal", "GTVnd_seg", "GTVnd (reference)", "GTVrpn",
    "ＧＴＶｎｄ", "nodes",
    "NODES", "Nodes", "node", "nodal", "lymph nodes", "lymph_nodes", "LymphNodes", "lymphnode", "lymph-node", 
    "Lymphknoten",
    "nodal_GTV", "nodes_mask", "allnodes", "LN", "nd_seg", "nodal_metastases",
]  # fmt: skip


@pytest.mark.parametrize("structure, names", [("GTVp", PRIMARY), ("GTVnd", NODES)])
def test_a_structure_is_known_however_it_is_spelled(structure, names):
    assert {name: (what_name_says(name).structure, what_name_says(name).rest) for name in names} == {
        name: (structure, "") for name in names
    }


@pytest.mark.parametrize(
    "before, after",
    [("case_7_", ""), ("", "_case_7"), ("case_7-", "-seg"), ("pred_", " case_7"), ("case_7", "")],
)
@pytest.mark.parametrize("spelled", ["GTVp", "gtvnd", "GTV_n", "GTVP", "LymphNodes", "primary"])
def test_what_is_left_is_the_case(spelled, before, after):
    said = what_name_says(f"{before}{spelled}{after}")
    assert said.structure == what_name_says(spelled).structure and said.rest.removeprefix("pred_") == "case_7"


@pytest.mark.parametrize(
    "name",
    [
        "nodes_near_GTVp",
        "primary_without_nodes",
        "GTVp_no_nodes",
        "primary_nodes",
        "GTV1",
        "GTVx",
        "case_GTV2",
    ],
)
def test_what_speaks_of_a_gtv_but_not_clearly_has_a_fault(name):
    said = what_name_says(name)
    assert said.structure is None and said.fault


@pytest.mark.parametrize(
    "name", ["case_1", "image_001", "a_GTVp_GTVnd", "GTV", "GTV_001", "LN_001", "ND7", "anode", "larynx_012"]
    + ["lymphoma_3", "$x^{$", "患者1", "prim_0", "gross-tumor-volume-segmentation", "---", "tumour_1"]
)  # fmt: skip
def test_other_names_say_nothing(name):
    said = what_name_says(name)
    assert (said.structure, said.fault, said.other, said.rest) == (None, None, False, name)


@pytest.mark.parametrize(
    "name, rest",
    [
        ("Brain", ""),
        ("Parotid_L", ""),
        ("c_SpinalCord", "c"),
        ("CTVp", ""),
        ("a_PTVn_seg", "a"),
        ("OpticNerve_R", ""),
    ],
)
def test_other_structures_are_known(name, rest):
    said = what_name_says(name)
    assert said.other and said.structure is None and said.rest.removesuffix("_seg") == rest


def test_a_last_word_may_say_a_structure():
    assert [what_name_says(name).hint for name in ("a_p", "a_N", "t", "a", "n_1")] == [
        "GTVp",
        "GTVnd",
        "GTVp",
        None,
        None,
    ]
    assert without_last_word("a_1_N") == "a_1" and without_last_word("p") == ""


def test_words_that_tell_nothing_apart():
    assert all(map(says_nothing, ["", "mask", "labelsTr", "pred_seg", "ground truth"]))
    assert not any(map(says_nothing, ["case", "mask_1", "---", "患者"]))


@pytest.mark.parametrize(
    ("name", "other", "expected"),
    [
        ("X_pred", "x", True),
        ("segrap_0001", "SegRap_0001", True),
        ("SegRap_1", "SegRap_0001", True),
        ("case_12/seg_final", "case_12", True),
        ("run/a b", "a-b", True),
        ("a_0001", "a_0002", False),
        ("run/a", "run/b", False),
        ("pred", "mask", False),
        ("ab", "a", False),
    ],
)
def test_names_that_differ_in_nothing_that_tells_cases_apart(name, other, expected):
    assert alike(name, other) == alike(other, name) == expected


@pytest.mark.parametrize(
    ("parts", "cohort"),
    [
        (("Cohort1",), "Cohort1"),
        (("data", "set_A"), "set_A"),
        (("Centre 3", "masks"), "Centre 3"),
        (("labelsTr",), ""),
        (("settings",), ""),
        ((), ""),
    ],
)
def test_folders_of_cohorts(parts, cohort):
    assert cohort_in(parts) == cohort


def test_a_cohort_is_one_however_it_is_spelled():
    for names in (("Cohort1", "cohort_01", "COHORT 1"), ("centre-A", "CenterA"), ("Set 10", "set10")):
        assert len({cohort_itself(name) for name in names}) == 1
    assert len({cohort_itself(name) for name in ("Cohort1", "Cohort2", "Cohort10", "Set 1", "labelsTr")}) == 5
    assert cohort_itself("labelsTr") == cohort_itself("") == ()


def test_unicode_forms_are_one_and_accents_are_not():
    assert one_form("u\u0308") == one_form("ü") == "ü" != one_form("u") and one_form("ü", "NFD") == "u\u0308"
