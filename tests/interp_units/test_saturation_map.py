"""The saturation map: positions of points, selection of units, and errors."""

import pytest
import xarray as xr

import interp
from interp import OptionError, SchemaError
from interp_units.saturation_map import saturation_map
from interp_units.unit_card.viewer import unit_card


def test_points_are_at_their_shares(views, saturated):
    view = views["saturation-map"]
    frame = view.data["units"].set_index("unit")
    assert set(frame["quantity"]) == {"i", "f", "o"}
    assert len(frame) == 24 * 2 * 3
    points = [shape for shape in view.compose().shapes if getattr(shape, "key", "")]
    origin = {}
    for point in points:
        row = frame.loc[point.key]
        key = (row["quantity"], row["direction"])
        corner = (point.x - row["frac_saturated_low"] * 240, point.y + row["frac_saturated_high"] * 240)
        assert origin.setdefault(key, corner) == pytest.approx(corner, abs=1e-6)
        assert row["frac_saturated_high"] == float(saturated.frac_saturated_high.sel(unit=point.key))
    assert len(points) == len(frame)
    assert len(origin) == 6


def test_a_gru_has_two_gates_in_the_map(tmp_path):
    torch = pytest.importorskip("torch")
    model = torch.nn.GRU(3, 4, batch_first=True).eval()
    acts = interp.capture(model, torch.randn(6, 9, 3), progress=False)
    view = interp.draw(saturation_map, interp.measure("saturation", acts))
    assert set(view.data["units"]["quantity"]) == {"r", "z"}
    view.save(tmp_path / "a.png")
    assert interp.draw(saturation_map, interp.measure("saturation", acts), quantity="z").data["units"].shape[0] == 4
    card = interp.draw(unit_card, acts, unit=str(acts.unit.values[0]))
    assert set(card.tables()["gates"]["quantity"]) == {"r", "z"}
    assert "data" not in card.caption  # a bare tensor has no dataset name
    card.save(tmp_path / "b.png")


def test_the_caption_says_which_units_are_drawn(saturated):
    many = xr.concat(
        [saturated.assign_coords(unit=saturated.unit + f".{at}") for at in range(12)], "unit", data_vars="minimal"
    )
    view = interp.draw(saturation_map, many)
    assert len([shape for shape in view.compose().shapes if getattr(shape, "key", "")]) == 1500
    assert "1,500 most saturated of 1,728" in view.caption


def test_errors_name_the_fault(saturated, debiased):
    with pytest.raises(SchemaError, match=r"measure\('saturation', acts\)"):
        interp.draw(saturation_map, debiased)
    with pytest.raises(OptionError, match="capture them with quantities="):
        interp.draw(saturation_map, saturated, quantity="z")
