"""Weights to begin with: whether they fit, and what is kept of where they come from."""

from dataclasses import replace

import pytest

from model.errors import InputError
from model.network.bundle import Bundle, save_bundle
from model.network.unet import UNet
from training.run.start import Start, check_start, read_start


@pytest.fixture
def start(tiny_plan) -> Start:
    data = tiny_plan.data
    state = UNet(data.network).state_dict()
    told = {"data": "y", "metrics": {"data": "z"}}
    return Start(
        "w.pt", Bundle(data.network, data.patch_zyx, data.spacing_zyx, data.normalisation, (), told, (state,))
    )


def test_what_is_kept_are_the_lineage_without_scores_and_which_weights_they_are(start, tmp_path):
    save_bundle(start.bundle, tmp_path / "first.pt", None)
    read = read_start(tmp_path / "first.pt")
    assert read.origin["lineage"] == {"file": "first.pt", "data": "y"}
    assert read.origin["weights"] == start.origin["weights"]
    other = replace(start.bundle, states=({n: t + 1 for n, t in start.bundle.states[0].items()},))
    assert replace(start, bundle=other).origin["weights"] != start.origin["weights"]


def test_weights_of_another_plan_are_refused_by_what_differs(tiny_plan, start):
    data = tiny_plan.data
    check_start(start, data)
    brighter = (data.normalisation[0], replace(data.normalisation[1], mean=31.0))
    for words, other in (
        ("network is not the plan's", replace(data, features=(4, 8, 12))),
        ("spacing is 3, 1, 1 mm, the plan's 3, 2, 2", replace(data, spacing_zyx=(3.0, 2.0, 2.0))),
        (r"normalisation of ce is .* 30 ± 70, the plan's .* 31", replace(data, normalisation=brighter)),
    ):
        with pytest.raises(InputError, match=f"--start: its {words}"):
            check_start(start, other)


def test_other_channels_and_several_networks_are_refused(start, tmp_path):
    bundle = start.bundle
    state = UNet(bundle.network).state_dict()
    for other in (replace(bundle, channels=("ce", "ct")), replace(bundle, states=(*bundle.states, state))):
        save_bundle(other, tmp_path / "w.pt")
        with pytest.raises(InputError, match="--start: its channels are"):
            read_start(tmp_path / "w.pt")
