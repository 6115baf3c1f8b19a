"""Views: pages and files are reproducible, written completely or not at all, and make no network request."""

import re
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from xml.dom.minidom import parseString

import matplotlib as mpl
import pandas as pd
import pytest
import xarray as xr

import interp
from interp import OptionError, SceneView, View
from interp.plotting import scene

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)> $\\frac{1}$ \u202e \x00 \ud800 'ա\"&"


class Plain(SceneView):
    """A scene with one shape of each kind."""

    def compose(self):
        return scene.Scene(
            300,
            80,
            (
                scene.Edge(0, 0, 300, 80, "negative", 3, (6, 3), value=-0.5, lower="a", upper=HOSTILE),
                scene.Box(10, 10, 40, 40, "s20", round=20, key=HOSTILE, note=HOSTILE, label="ծ"),
                scene.Box(100, 10, 40, 40, "missing", outline="ink"),
                scene.Area(((0, 80), (50, 20), (90, 80)), "positive", outline="positive"),
                scene.Text(150, 40, HOSTILE, mono=True, bold=True, anchor="end", color="muted"),
            ),
        )

    def holoviews(self):
        return None


@dataclass(frozen=True, kw_only=True)
class Drawn(View):
    """A view that draws with matplotlib."""

    def figure(self):
        from matplotlib.figure import Figure

        figure = Figure()
        figure.add_subplot().plot([0, 1], label="ա")
        return figure

    def holoviews(self):
        return None


def view(kind=Plain, **changes):
    texts = {"title": "t ⇒ ծ", "caption": "Model x; n = 1 / 1.", "summary": "One thing is there."}
    return kind(**(texts | {"data": {"numbers": pd.DataFrame({"a": [1.5], HOSTILE: [HOSTILE]})}} | changes))


class Page(HTMLParser):
    """Parser that collects tags, links, event handlers and text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.handlers, self.text = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "data", "action", "poster")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("kind", [Plain, Drawn])
@pytest.mark.parametrize("suffix", [".html", ".png", ".svg"])
def test_the_same_view_gives_the_same_bytes(tmp_path, kind, suffix):
    first = view(kind).save(tmp_path / f"a{suffix}").read_bytes()
    assert view(kind).save(str(tmp_path / f"b{suffix}")).read_bytes() == first
    assert first


@pytest.mark.parametrize("kind", [Plain, Drawn])
def test_a_page_asks_for_nothing_and_runs_its_own_script_only(kind):
    page = Page(view(kind, title=HOSTILE, caption=HOSTILE, summary=HOSTILE).html())
    assert not page.links
    assert not page.handlers
    assert page.tags.count("script") == 1
    assert "img" not in page.tags
    assert not re.search(r"url\((?!#)|@import", view(kind).html())


def test_title_summary_caption_and_table_are_in_the_page():
    text = "".join(Page(view().html()).text)
    for part in ("t ⇒ ծ", "One thing is there.", "Model x; n = 1 / 1.", "Table: numbers (1 row)", "1.5"):
        assert part in text


def test_a_large_table_is_one_block_and_whole():
    frame = pd.DataFrame({"row": range(5000), "label": ["<b>"] * 5000})
    html = view(data={"all": frame}).html()
    assert html.count("<td") == 0
    assert "4,999" in html
    assert "<b>" not in html


def test_a_space_is_seen_in_a_table():
    assert "<bdi>␣</bdi>" in view(data={"all": pd.DataFrame({"label": [" "]})}).html()


def test_a_dataset_becomes_a_table():
    data = xr.Dataset({"distance": (("unit", "pair"), [[0.25, 0.5]])}, {"unit": ["a"], "pair": ["t=>ծ", "s=>_"]})
    frame = view(data={"distances": data}).tables()["distances"]
    assert frame["distance"].tolist() == [0.25, 0.5]
    assert frame["pair"].tolist() == ["t=>ծ", "s=>_"]


@pytest.mark.parametrize("kind", [Plain, Drawn])
def test_svg_is_well_formed_keeps_its_letters_and_has_no_date(tmp_path, kind):
    text = view(kind).save(tmp_path / "a.svg").read_text()
    parseString(text.encode())
    assert "<dc:date>" not in text
    if kind is Plain:
        assert ">ծ<" in text


def test_the_figure_has_title_and_caption():
    texts = {text.get_text() for axes in view().figure().axes for text in axes.texts}
    assert {"t ⇒ ծ", "One thing is there.", "Model x; n = 1 / 1."} <= texts


def test_drawing_leaves_no_global_state(tmp_path):
    before = dict(mpl.rcParams)
    view().save(tmp_path / "a.svg")
    assert dict(mpl.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_a_users_style_changes_nothing(tmp_path):
    first = view().save(tmp_path / "a.png").read_bytes()
    with mpl.rc_context({"font.family": "serif", "lines.linewidth": 9, "savefig.dpi": 20}):
        assert view().save(tmp_path / "b.png").read_bytes() == first


@pytest.mark.parametrize("name", ["a.pdf", "a", "a.HTM"])
def test_another_suffix_says_what_to_type(tmp_path, name):
    with pytest.raises(OptionError, match=r"\.html, \.png or \.svg; got 'a.*Type view\.save\('a\.html'\)"):
        view().save(tmp_path / name)


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(OptionError, match=r"There is no directory .*nowhere"):
        view().save(tmp_path / "nowhere" / "a.html")


def test_a_directory_that_refuses_is_an_error(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(OptionError, match=r"Can't write .*Permission denied"):
        view().save(tmp_path / "a.html")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".html", ".png"])
def test_a_view_that_fails_leaves_the_old_file(tmp_path, suffix):
    class Broken(Plain):
        def compose(self):
            raise ZeroDivisionError

    target = tmp_path / f"a{suffix}"
    target.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError):
        view(Broken).save(target)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "a.html"
    target.write_bytes(b"old")
    open_file = Path.open

    @contextmanager
    def open_full(path, *args):
        class FullDisk:
            def write(self, _):
                raise OSError(28, "No space left on device")

        with open_file(path, *args):
            yield FullDisk()

    monkeypatch.setattr("pathlib.Path.open", open_full)
    with pytest.raises(OptionError, match=r"Can't write .*a\.html.*No space left"):
        view().save(target)
    monkeypatch.undo()
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


def test_a_notebook_gets_a_sandboxed_frame():
    text = view(title=HOSTILE)._repr_html_()
    page = Page(text)
    assert page.tags == ["iframe"]
    assert 'sandbox="allow-scripts"' in text


def test_views_can_not_be_made_without_drawing():
    with pytest.raises(TypeError, match="abstract"):
        view(View)


def test_light_imports():
    code = (
        "import sys, interp, interp_layered_graph.viewer, interp_cell_strips.cell_strips\n"
        "from interp import SceneView, draw\n"
        "from interp.plotting import Axes, colors, render, render_document, scene\n"
        "heavy = {'torch', 'matplotlib', 'holoviews', 'xarray', 'pandas', 'bokeh', 'jinja2'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr


def test_the_view_is_public():
    assert interp.View is View
