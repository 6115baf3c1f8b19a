"""Colours: text is readable on each, and signs differ with every type of colour vision."""

import numpy as np
import pytest

from interp.plotting import colors

# Machado, Oliveira and Fernandes (2009), severity 1, on linear sRGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
THEMES = {"light": colors.LIGHT, "dark": colors.DARK}


def lab(linear):
    """Return linear sRGB in CIELAB, for white D65."""
    xyz = np.array(TO_XYZ) @ linear / [0.95047, 1, 1.08883]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def difference(a, b, vision):
    """Return the dE76 of two colours for a type of colour vision."""
    first, second = [lab(np.clip(np.array(VISION[vision]) @ colors.linear(color), 0, 1)) for color in (a, b)]
    return float(np.linalg.norm(first - second))


def test_contrast_of_known_colours():
    assert colors.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert colors.contrast("#ffffff", "#ffffff") == 1
    assert colors.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # the lightest grey below 4.5


def test_the_difference_of_known_colours():
    assert difference("#000000", "#ffffff", "normal") == pytest.approx(100, abs=0.01)


@pytest.mark.parametrize("theme", THEMES)
def test_letters_can_be_read_on_every_colour(theme):
    for name, color in THEMES[theme].items():
        assert colors.contrast(colors.readable(color), color) >= 4.5, name


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ground", ["ground", "panel"])
def test_text_can_be_read_on_the_page(theme, ground):
    for name in ("ink", "muted"):
        assert colors.contrast(THEMES[theme][name], THEMES[theme][ground]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("vision", VISION)
def test_signs_are_told_apart(theme, vision):
    theme_colors, steps = THEMES[theme], colors.DIVERGING_STEPS
    assert difference(theme_colors["positive"], theme_colors["negative"], vision) >= 40
    for step in range(steps // 2, steps + 1):  # from half strength on
        assert difference(theme_colors[f"d{step}"], theme_colors[f"d-{step}"], vision) >= 40, step
    for step in range(colors.UNDER_STEPS // 2, colors.UNDER_STEPS + 1):
        assert difference(theme_colors[f"u{step}"], theme_colors[f"u-{step}"], vision) >= 40, step


@pytest.mark.parametrize("theme", THEMES)
def test_an_underline_is_of_other_hues_than_a_background(theme):
    theme_colors = THEMES[theme]
    ends = [theme_colors[f"u{sign * colors.UNDER_STEPS}"] for sign in (-1, 1)]
    for name in (f"d{colors.DIVERGING_STEPS}", f"d-{colors.DIVERGING_STEPS}", f"s{colors.SEQUENTIAL_STEPS}"):
        assert min(difference(end, theme_colors[name], "normal") for end in ends) >= 40, name


def test_the_edges_have_the_colours_of_the_specification():
    assert (colors.POSITIVE, colors.NEGATIVE, colors.MISSING) == ("#e69f00", "#00665a", "#bdbdbd")


@pytest.mark.parametrize(("theme", "sign"), [("light", -1), ("dark", 1)])
def test_more_is_further_from_the_page(theme, sign):
    levels = [colors.luminance(THEMES[theme][f"s{step}"]) for step in range(colors.SEQUENTIAL_STEPS + 1)]
    assert (sign * np.diff(levels) > 0).all()


@pytest.mark.parametrize(
    ("value", "one", "two"),
    [(0.0, "s0", "d0"), (1.0, "s32", "d24"), (-1.0, "s0", "d-24"), (7.0, "s32", "d24"), (0.5, "s16", "d12")],
)
def test_values_get_steps_and_are_clipped(value, one, two):
    assert (colors.sequential(value), colors.diverging(value)) == (one, two)


def test_underlines_get_steps_and_are_clipped():
    assert [colors.underline(value) for value in (0.0, 1.0, -1.0, 7.0, 0.5)] == ["u0", "u12", "u-12", "u12", "u6"]
    assert colors.underline(float("nan")) == "missing"


def test_nan_is_missing():
    assert colors.sequential(float("nan")) == colors.diverging(float("nan")) == "missing"


def test_every_step_has_a_rule_in_both_themes():
    css = colors.css()
    for name in colors.LIGHT:
        assert css.count(f".{name}{{fill:") == 2
    assert "prefers-color-scheme: dark" in css


def test_a_ramp_keeps_its_ends_and_mixes_between():
    mixed = colors.oklab_ramp(["#000000", "#ffffff"], 3)
    assert mixed[0] == "#000000"
    assert mixed[2] == "#ffffff"
    assert len({mixed[1][1:3], mixed[1][3:5], mixed[1][5:7]}) == 1  # grey stays grey
