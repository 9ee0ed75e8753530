"""Text as dots."""

import string

from model.preview.font import HEIGHT, WIDTH, dots, drawable, wrapped


def test_every_character_has_a_shape_of_its_own_with_space_around():
    shapes = {c: dots(c, 1) for c in string.printable[:95] + "³°±×"}
    assert len({shape.tobytes() for shape in shapes.values()}) == 99
    for character, shape in shapes.items():
        assert shape.shape == (HEIGHT, WIDTH)
        assert not shape[[0, -1]].any()
        assert not shape[:, -1].any()
        assert shape.any() != (character == " ")


def test_a_line_is_its_characters_side_by_side_and_larger():
    line = dots("GT", 3)
    assert line.shape == (3 * HEIGHT, 2 * 3 * WIDTH)
    assert (line[::3, : 3 * WIDTH : 3] == dots("G", 1)).all()
    assert dots("").shape == (2 * HEIGHT, 0)


def test_accents_go_and_what_cannot_be_drawn_is_marked():
    assert drawable("Müller cm³ 鼻\n") == "Muller cm³ ??"


def test_lines_fit():
    lines = wrapped("the contrast CT seems to lie +6, +0, -3 mm off", 200)
    assert len(lines) > 1
    assert all(dots(line).shape[1] <= 200 for line in lines)
    assert wrapped("", 200) == [""]
