"""Requirements of all views of units: reproducible files, tables, text and a HoloViews object."""

import re

import pytest

import interp

NAMES = ["overview", "saturation-map", "unit-card", "compare", "hypothesis"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("suffix", [".html", ".png", ".svg"])
def test_saved_files_are_reproducible(views, tmp_path, name, suffix):
    first = views[name].save(tmp_path / f"a{suffix}").read_bytes()
    assert views[name].save(tmp_path / f"b{suffix}").read_bytes() == first


@pytest.mark.parametrize("name", NAMES)
def test_tables_text_and_holoviews_object(views, name):
    view = views[name]
    assert view.holoviews() is not None
    assert view.summary.endswith(".")
    assert "bilstm; data transliteration" in view.caption
    assert all(len(frame) for frame in view.tables().values())
    assert len(re.findall("<[a-z]", view.html())) < 5000
    assert view._repr_html_().startswith("<iframe")
    assert name in interp.viewers()
