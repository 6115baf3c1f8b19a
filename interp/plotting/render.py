"""Drawing of scenes: as SVG for pages, and with matplotlib for files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interp.plotting import colors
from interp.plotting.scene import Area, Box, Edge, Scene, Shape, Text
from interp.plotting.text import escape, sanitize

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


DPI = 100
FONTS = {"sans": ["DejaVu Sans"], "mono": ["DejaVu Sans Mono"]}


def svg(scene: Scene, label: str = "") -> str:
    """Return the scene as an ``<svg>`` element that scales with its container; colours are classes of `colors.css`.

    Parameters
    ----------
    scene : Scene
        Scene to draw.
    label : str
        Description of the picture, for screen readers.
    """
    width, height = _format_number(scene.width), _format_number(scene.height)
    size = f'viewBox="0 0 {width} {height}" style="max-width:{width}px"'
    body = "\n".join(_element(shape) for shape in scene.shapes)
    return f'<svg class="scene" role="group" aria-label="{escape(label)}" {size}>\n{body}\n</svg>'


def _format_number(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")


def _attributes(**values: float) -> str:
    """Return numeric attributes of an element; ``_`` in a name becomes ``-``."""
    return " ".join(f'{name.replace("_", "-")}="{_format_number(value)}"' for name, value in values.items())


def _dash_attribute(dash: tuple[float, ...]) -> str:
    return f' stroke-dasharray="{" ".join(map(_format_number, dash))}"' if dash else ""


def _element(shape: Shape) -> str:
    if isinstance(shape, Edge):
        return _edge(shape)
    if isinstance(shape, Text):
        return _text(shape)
    if isinstance(shape, Area):
        return _area(shape)
    return _box(shape)


def _area(area: Area) -> str:
    points = " ".join(f"{_format_number(x)},{_format_number(y)}" for x, y in area.points)
    polygon = f'<polygon class="{area.color}" {_attributes(fill_opacity=area.alpha)} points="{points}"/>'
    if not area.outline:
        return polygon
    line = f'class="outline line-{area.outline}"{_dash_attribute(area.dash)}'
    return f'{polygon}<polyline {line} points="{points}"/>'


def _edge(edge: Edge) -> str:
    style = f'class="line-{edge.color}" {_attributes(stroke_width=edge.width, stroke_opacity=edge.alpha)}'
    ends = _attributes(x1=edge.x1, y1=edge.y1, x2=edge.x2, y2=edge.y2) + _dash_attribute(edge.dash)
    if edge.value is None:
        return f"<line {style} {ends}/>"
    data = f'data-lower="{escape(edge.lower)}" data-upper="{escape(edge.upper)}" data-value="{edge.value:+.3g}"'
    return f"<line {style} {ends} {data}/>"


def _text(text: Text) -> str:
    fonts = " ".join(name for name, is_on in (("mono", text.mono), ("bold", text.bold)) if is_on)
    position = f'{_attributes(x=text.x, y=text.y, font_size=text.size)} text-anchor="{text.anchor}"'
    return f'<text class="{text.color} {fonts}" {position} dy=".35em">{escape(text.text)}</text>'


def _box(box: Box) -> str:
    line = f' line-{box.outline}" stroke-width="{_format_number(box.outline_width)}' if box.outline else ""
    extent = _attributes(x=box.x, y=box.y, width=box.width, height=box.height, rx=box.round)
    rect = f'<rect class="{box.color}{line}" {_attributes(fill_opacity=box.alpha)} {extent}/>'
    if box.label:
        rect += _text(_label(box))
    if not box.key:
        return rect
    note = escape(box.note)
    return f'<g class="node" data-key="{escape(box.key)}" data-note="{note}" role="img" aria-label="{note}">{rect}</g>'


def _label(box: Box) -> Text:
    x, y = box.x + box.width / 2, box.y + box.height / 2
    return Text(x, y, box.label, box.label_size, "middle", f"on-{box.color}", mono=True)


def draw_on_figure(scene: Scene, figure: Figure) -> None:
    """Draw the scene on an empty figure in the light theme. At 100 dpi a pixel of the scene is a pixel of the figure.

    Parameters
    ----------
    scene : Scene
        Scene to draw.
    figure : matplotlib.figure.Figure
        Figure, which gets the size of the scene and axes without a frame that fill it.
    """
    figure.set_dpi(DPI)
    figure.set_size_inches(scene.width / DPI, scene.height / DPI)
    figure.set_facecolor(colors.LIGHT["ground"])
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, scene.width), ylim=(scene.height, 0))
    axes.set_axis_off()
    for zorder, shape in enumerate(scene.shapes):
        _paint(shape, axes, zorder)


def _points(pixels: float) -> float:
    return pixels * 72 / DPI


def _paint(shape: Shape, axes: Axes, zorder: int) -> None:
    if isinstance(shape, Edge):
        _paint_edge(shape, axes, zorder)
    elif isinstance(shape, Box):
        _paint_box(shape, axes, zorder)
    elif isinstance(shape, Area):
        _paint_area(shape, axes, zorder)
    else:
        _paint_text(shape, axes, zorder)


def _dashes(dash: tuple[float, ...], width: float) -> str | tuple[float, tuple[float, ...]]:
    return (0.0, tuple(length / max(width, 1e-9) for length in dash)) if dash else "-"


def _paint_edge(edge: Edge, axes: Axes, zorder: int) -> None:
    from matplotlib.lines import Line2D

    style: Any = {"linestyle": _dashes(edge.dash, edge.width), "solid_capstyle": "butt", "dash_capstyle": "butt"}
    color = colors.LIGHT[edge.color]
    width = _points(edge.width)
    ends = ([edge.x1, edge.x2], [edge.y1, edge.y2])
    axes.add_artist(Line2D(*ends, color=color, linewidth=width, alpha=edge.alpha, zorder=zorder, **style))


def _paint_box(box: Box, axes: Axes, zorder: int) -> None:
    from matplotlib.patches import Circle, FancyBboxPatch, Patch, Rectangle

    fill = colors.LIGHT[box.color]
    line = {"edgecolor": colors.LIGHT[box.outline]} if box.outline else {"edgecolor": "none"}
    width = _points(box.outline_width) if box.outline else 0
    style: Any = {"facecolor": (fill, box.alpha), "linewidth": width, "zorder": zorder} | line
    corner = (box.x, box.y)
    patch: Patch = Rectangle(corner, box.width, box.height, **style)
    if box.width == box.height == 2 * box.round:
        patch = Circle((box.x + box.round, box.y + box.round), box.round, **style)
    elif box.round:
        shape = f"round,pad=0,rounding_size={box.round}"
        patch = FancyBboxPatch(corner, box.width, box.height, boxstyle=shape, **style)
    axes.add_artist(patch)
    if box.label:
        _paint_text(_label(box), axes, zorder)


def _paint_area(area: Area, axes: Axes, zorder: int) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Polygon

    style: Any = {"linestyle": _dashes(area.dash, 1.6)}
    axes.add_artist(
        Polygon(area.points, facecolor=colors.LIGHT[area.color], alpha=area.alpha, linewidth=0, zorder=zorder)
    )
    if area.outline:
        edge = colors.LIGHT[area.outline]
        x, y = zip(*area.points, strict=True)
        axes.add_artist(Line2D(x, y, color=edge, linewidth=_points(1.6), zorder=zorder, **style))


def _paint_text(text: Text, axes: Axes, zorder: int) -> None:
    """Write text with its visual middle at ``y``: the baseline is 0.35 em lower, for any letters."""
    name = text.color.removeprefix("on-")
    color = colors.LIGHT[name] if name == text.color else colors.readable(colors.LIGHT[name])
    alignment: Any = {"ha": {"start": "left", "middle": "center", "end": "right"}[text.anchor], "va": "baseline"}
    style: Any = {
        "fontfamily": FONTS["mono" if text.mono else "sans"],
        "fontsize": _points(text.size),
        "fontweight": "bold" if text.bold else "normal",
        "color": color,
    }
    baseline = text.y + 0.35 * text.size
    axes.text(text.x, baseline, sanitize(text.text), parse_math=False, zorder=zorder, **style, **alignment)
