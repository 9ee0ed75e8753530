"""Which ROIs are meant."""

import numpy as np
import pytest

from dicom.choose import choose, left_by_name
from dicom.rois import Roi
from model.errors import InputError

CONTOUR = (np.zeros((3, 3)),)


def chosen(tmp_path, names, empty=(), **asked) -> dict[str, list[str]]:
    rois = [Roi(name, CONTOUR) for name in names] + [Roi(name, ()) for name in empty]
    found = choose(tmp_path / "rtss.dcm", rois, asked)
    return {structure: [roi.name for roi in rois] for structure, rois in found.items()}


OTHERS = ["BODY", "Parotid_L", "CTVp", "PTV_n 70", "SpinalCord", "CTV GTVp+5mm"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["GTVp", "GTVnd"], {"GTVp": ["GTVp"], "GTVnd": ["GTVnd"]}),
        (["GTV-T", "GTV_N"], {"GTVp": ["GTV-T"], "GTVnd": ["GTV_N"]}),
        (["gtv", "GTVn"], {"GTVp": ["gtv"], "GTVnd": ["GTVn"]}),
        (["GTV", "GTVp"], {"GTVp": ["GTVp"]}),
        (["GTV_LN"], {"GTVnd": ["GTV_LN"]}),
        (["GTV T", "GTVn1", "GTVn2", "GTVn 3"], {"GTVp": ["GTV T"], "GTVnd": ["GTVn1", "GTVn2", "GTVn 3"]}),
        (["GTVn left", "GTVn_R"], {"GTVnd": ["GTVn left", "GTVn_R"]}),
        (["GTVn IIa", "GTVn III"], {"GTVnd": ["GTVn IIa", "GTVn III"]}),
        (["GTVn1", "GTVn_L_3", "GTVn II left"], {"GTVnd": ["GTVn1", "GTVn_L_3", "GTVn II left"]}),
        (["GTVn1", "GTVn_retropharyngeal"], {"GTVnd": ["GTVn1", "GTVn_retropharyngeal"]}),
        (["GTVp", "GTVp_PET"], {"GTVp": ["GTVp"]}),
        (["Primary tumour", "Lymph nodes"], {"GTVp": ["Primary tumour"], "GTVnd": ["Lymph nodes"]}),
    ],
    ids=str,
)
def test_by_name(tmp_path, names, expected):
    assert chosen(tmp_path, [*OTHERS, *names]) == expected
    assert chosen(tmp_path, [*names[::-1], *OTHERS]).keys() == expected.keys()


@pytest.mark.parametrize(
    ("names", "fact"),
    [
        (["BODY", "PTV"], r"no ROI with contours is named as a GTVp or GTVnd \(ROIs: BODY, PTV\)"),
        (["GTV1", "GTV2"], r"no ROI .* \(ROIs: GTV1, GTV2\)"),
        ([], r"no ROI .* \(ROIs: none\)"),
        (["GTVp", "GTV_T"], r"several ROIs may be GTVp \(ROIs: GTVp, GTV_T\)"),
        (["GTVn", "GTVn1", "GTVn2"], r"several ROIs may be GTVnd \(ROIs: GTVn, GTVn1, GTVn2\)"),
        (["GTVp", "GTVp"], r"several ROIs may be GTVp \(ROIs: GTVp, GTVp\)"),
        (["gtv", "GTVs"], r"several ROIs may be GTVp \(ROIs: gtv, GTVs\)"),
        (["GTVn1", "GTVn2", "GTVn old"], r"not clear which ROI is GTVnd \(ROIs: GTVn1, GTVn2, GTVn old\)"),
        (["GTVp_PET", "GTVp_MR"], r"not clear which ROI is GTVp \(ROIs: GTVp_PET, GTVp_MR\)"),
    ],
)
def test_what_is_not_clear_is_listed(tmp_path, names, fact):
    with pytest.raises(InputError, match=f"rtss.dcm: {fact}; .* with --gtvp NAME and --gtvnd NAME chooses"):
        chosen(tmp_path, names)


def test_many_names_are_cut_and_control_characters_escaped(tmp_path):
    with pytest.raises(InputError) as caught:
        chosen(tmp_path, [f"ring\n{k}" for k in range(99)])
    message = str(caught.value)
    assert "\n" not in message and "ring\\n29, ..." in message and "ring\\n30" not in message


def test_what_is_left_beside_a_whole_name_is_told(tmp_path):
    rois = [Roi(name, CONTOUR) for name in ("GTVp", "GTVp_PET", "GTVn", "GTVn old", "CTV")]
    found = choose(tmp_path / "rtss.dcm", rois, {})
    assert left_by_name(rois, found) == ["GTVp_PET", "GTVn old"]
    assert left_by_name(rois, found, ["GTVnd"]) == ["GTVp_PET"]


def test_as_the_user_says(tmp_path):
    names = ["GTVp", "GTVp_old", "Tumor", "GTVn", "N1", "N2"]
    assert chosen(tmp_path, names, GTVp=["Tumor"]) == {"GTVp": ["Tumor"], "GTVnd": ["GTVn"]}
    assert chosen(tmp_path, names, GTVp=["GTVp_old"], GTVnd=["N1", "N2"]) == {
        "GTVp": ["GTVp_old"],
        "GTVnd": ["N1", "N2"],
    }
    # A ROI that is taken is not taken again.
    assert chosen(tmp_path, ["GTVp", "GTVn"], GTVnd=["GTVp"]) == {"GTVnd": ["GTVp"]}


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("Lump", "no ROI is called 'Lump'"),
        ("Tumor", "2 ROIs are called 'Tumor'"),
        ("GTVn", "has no closed contour"),
    ],
)
def test_what_is_not_there_is_said(tmp_path, name, fact):
    with pytest.raises(InputError, match=fact):
        chosen(tmp_path, ["Tumor", "Tumor", "GTVp"], empty=["GTVn"], GTVp=[name])


def test_rois_without_contours_are_not_chosen(tmp_path):
    assert chosen(tmp_path, ["GTV"], empty=["GTVp", "GTVn"]) == {"GTVp": ["GTV"]}


def test_of_two_of_one_name_the_one_that_is_drawn_is_meant(tmp_path):
    assert chosen(tmp_path, ["Lump"], empty=["Lump"], GTVp=["Lump"]) == {"GTVp": ["Lump"]}
    rois = [Roi("Lump", ()), Roi("Lump", CONTOUR)]
    assert choose(tmp_path / "rtss.dcm", rois, {"GTVp": ["Lump"]})["GTVp"] == rois[1:]
