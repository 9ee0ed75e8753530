"""Recipes: each value is checked, and what is not the default is told."""

import json
from dataclasses import asdict, fields

import pytest

from model.errors import InputError
from training.data.augment import Augmentation
from training.data.patches import Sampling
from training.run.loss import LossPlan
from training.run.recipe import LOSS_READERS, READERS, Recipe, checked_recipe, read_recipe


def test_parts_of_it_are_enough(tmp_path):
    path = tmp_path / "recipe.json"
    path.write_text(
        '{"augmentation": {"scales": [0.8, 1.25], "noise": [1, 0.15]}, "sampling": {"jitter": 0}}'
    )
    recipe = read_recipe(path)
    assert recipe == Recipe(Augmentation(scales=(0.8, 1.25), noise=(1.0, 0.15)), Sampling(jitter=0.0))
    assert recipe.changed == json.loads(path.read_text())
    assert checked_recipe({}) == Recipe() and Recipe().changed == {}


def test_every_field_can_be_said_and_defaults_are_allowed():
    assert {field.name for kind in (Augmentation, Sampling) for field in fields(kind)} == READERS.keys()
    assert {field.name for field in fields(LossPlan)} == LOSS_READERS.keys()
    whole = json.loads(json.dumps(asdict(Recipe())))
    assert checked_recipe(whole) == Recipe()


def test_the_loss_is_the_chosen_one_but_for_what_is_said():
    recipe = checked_recipe({"loss": {"focal_weight": 5}}, LossPlan(gamma=0))
    assert recipe.loss == LossPlan(gamma=0, focal_weight=5.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"augmentations": {}}', "no such key: augmentations"),
        ('{"augmentation": {"rotate": 1}}', "no such key in augmentation: rotate"),
        ('{"sampling": {"foreground": 1}}', "no such key in sampling: foreground"),
        ('{"sampling": []}', "sampling is \\[\\], not an object"),
        ('{"sampling": {"foreground_share": 1.5}}', r"sampling \(foreground_share\) is 1.5, .* from 0 to 1"),
        ('{"sampling": {"foreground_share": true}}', r"\(foreground_share\) is True"),
        ('{"sampling": {"foreground_share": NaN}}', r"\(foreground_share\) is nan"),
        ('{"sampling": {"foreground_share": 0.8, "tumour_free_share": 0.3}}', "together exceed 1"),
        ('{"loss": {"alpha": 0, "beta": 0}}', "alpha and beta that are both 0"),
        ('{"loss": {"background": 1}}', r"\(background\) is 1, expected true or false"),
        ('{"loss": {"lower_target": "mean"}}', "is 'mean', expected nearest, shares or any"),
        ('{"loss": {"lower_target": ["any"]}}', r"\(lower_target\) is \['any'\], expected"),
        ('{"augmentation": {"scales": [1.4, 0.7]}}', r"\(scales\) goes from 1.4 to 0.7"),
        ('{"sampling": {"late_growth": [1, 0.5, 2]}}', r"\(late_growth\) is 0.5, .* from 1 to 4"),
        ('{"sampling": {"late_growth": 2}}', r"\(late_growth\) has 2, not three numbers"),
        ('{"augmentation": {"scales": 1}}', r"\(scales\) is 1, not two numbers"),
        ('{"augmentation": {"scales": [0, 1]}}', r"\(scales\) is 0, .* from 0.25 to 4"),
        ('{"augmentation": {"noise": [0.1]}}', r"\(noise\) is \[0.1\], not two numbers"),
        ('{"augmentation": {"through_plane": 1}}', r"\(through_plane\) is 1, expected true or false"),
        ('{"augmentation": {"degrees": "30"}}', r"\(degrees\) is '30', expected a number"),
        ("[]", "holds no JSON object"),
        ("{", "cannot be read as JSON"),
    ],
)
def test_nonsense_is_refused_with_its_key(tmp_path, text, words):
    path = tmp_path / "recipe.json"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        read_recipe(path)
    assert "list the keys" in caught.value.remedy
