"""Draw a `Scene`: as SVG markup for a page, or with matplotlib for a file."""

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
    """Return the scene as an ``<svg>`` element that scales with its container; colours are classes of `colors.css`."""
    size = f'viewBox="0 0 {_format_number(scene.width)} {_format_number(scene.height)}" style="max-width:{_format_number(scene.width)}px"'
    body = "\n".join(_element(shape) for shape in scene.shapes)
    return f'<svg class="scene" role="group" aria-label="{escape(label)}" {size}>\n{body}\n</svg>'


def _format_number(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")


def _element(shape: Shape) -> str:
    if isinstance(shape, Edge):
        return _edge(shape)
    if isinstance(shape, Text):
        return _text(shape)
    if isinstance(shape, Area):
        points = " ".join(f"{_format_number(x)},{_format_number(y)}" for x, y in shape.points)
        line = f" line-{shape.outline}" if shape.outline else ""
        body = f'<polygon class="{shape.color}" fill-opacity="{_format_number(shape.alpha)}" points="{points}"/>'
        dash = f' stroke-dasharray="{" ".join(map(_format_number, shape.dash))}"' if shape.dash else ""
        return body + (f'<polyline class="outline{line}"{dash} points="{points}"/>' if line else "")
    return _box(shape)


def _edge(edge: Edge) -> str:
    ends = f'x1="{_format_number(edge.x1)}" y1="{_format_number(edge.y1)}" x2="{_format_number(edge.x2)}" y2="{_format_number(edge.y2)}"'
    look = f'class="line-{edge.color}" stroke-width="{_format_number(edge.width)}" stroke-opacity="{_format_number(edge.alpha)}"'
    dash = f' stroke-dasharray="{" ".join(map(_format_number, edge.dash))}"' if edge.dash else ""
    if edge.value is None:
        return f"<line {look} {ends}{dash}/>"
    joins = f'data-lower="{escape(edge.lower)}" data-upper="{escape(edge.upper)}" data-value="{edge.value:+.3g}"'
    return f"<line {look} {ends}{dash} {joins}/>"


def _text(text: Text) -> str:
    fonts = " ".join(name for name, on in (("mono", text.mono), ("bold", text.bold)) if on)
    where = f'x="{_format_number(text.x)}" y="{_format_number(text.y)}" font-size="{_format_number(text.size)}" text-anchor="{text.anchor}"'
    return f'<text class="{text.color} {fonts}" {where} dy=".35em">{escape(text.text)}</text>'


def _box(box: Box) -> str:
    line = f' line-{box.outline}" stroke-width="{_format_number(box.outline_width)}' if box.outline else ""
    where = f'x="{_format_number(box.x)}" y="{_format_number(box.y)}" width="{_format_number(box.width)}" height="{_format_number(box.height)}" rx="{_format_number(box.round)}"'
    rect = f'<rect class="{box.color}{line}" fill-opacity="{_format_number(box.alpha)}" {where}/>'
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
    """Draw the scene on an empty figure, one pixel of the scene a pixel at 100 dpi, in the light colours.

    Parameters
    ----------
    scene : Scene
        What to draw.
    figure : matplotlib.figure.Figure
        Gets the size of the scene and one pair of axes without frame that fills it.
    """
    figure.set_dpi(DPI)
    figure.set_size_inches(scene.width / DPI, scene.height / DPI)
    figure.set_facecolor(colors.LIGHT["ground"])
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, scene.width), ylim=(scene.height, 0))
    axes.set_axis_off()
    for order, shape in enumerate(scene.shapes):
        _paint(shape, axes, order)


def _points(pixels: float) -> float:
    return pixels * 72 / DPI


def _paint(shape: Shape, axes: Axes, order: int) -> None:
    if isinstance(shape, Edge):
        _paint_edge(shape, axes, order)
    elif isinstance(shape, Box):
        _paint_box(shape, axes, order)
    elif isinstance(shape, Area):
        _paint_area(shape, axes, order)
    else:
        _paint_text(shape, axes, order)


def _dashes(dash: tuple[float, ...], width: float) -> str | tuple[float, tuple[float, ...]]:
    return (0.0, tuple(part / max(width, 1e-9) for part in dash)) if dash else "-"


def _paint_edge(edge: Edge, axes: Axes, order: int) -> None:
    from matplotlib.lines import Line2D

    style: Any = {"linestyle": _dashes(edge.dash, edge.width), "solid_capstyle": "butt", "dash_capstyle": "butt"}
    color = colors.LIGHT[edge.color]
    width = _points(edge.width)
    ends = ([edge.x1, edge.x2], [edge.y1, edge.y2])
    axes.add_artist(Line2D(*ends, color=color, linewidth=width, alpha=edge.alpha, zorder=order, **style))


def _paint_box(box: Box, axes: Axes, order: int) -> None:
    from matplotlib.patches import Circle, FancyBboxPatch, Patch, Rectangle

    fill = colors.LIGHT[box.color]
    line = {"edgecolor": colors.LIGHT[box.outline]} if box.outline else {"edgecolor": "none"}
    width = _points(box.outline_width) if box.outline else 0
    look = {"facecolor": (fill, box.alpha), "linewidth": width, "zorder": order}
    style: Any = look | line
    corner = (box.x, box.y)
    patch: Patch = Rectangle(corner, box.width, box.height, **style)
    if box.width == box.height == 2 * box.round:
        patch = Circle((box.x + box.round, box.y + box.round), box.round, **style)
    elif box.round:
        shape = f"round,pad=0,rounding_size={box.round}"
        patch = FancyBboxPatch(corner, box.width, box.height, boxstyle=shape, **style)
    axes.add_artist(patch)
    if box.label:
        _paint_text(_label(box), axes, order)


def _paint_area(area: Area, axes: Axes, order: int) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Polygon

    style: Any = {"linestyle": _dashes(area.dash, 1.6)}
    axes.add_artist(
        Polygon(area.points, facecolor=colors.LIGHT[area.color], alpha=area.alpha, linewidth=0, zorder=order)
    )
    if area.outline:
        edge = colors.LIGHT[area.outline]
        across, down = zip(*area.points, strict=True)
        axes.add_artist(Line2D(across, down, color=edge, linewidth=_points(1.6), zorder=order, **style))


def _paint_text(text: Text, axes: Axes, order: int) -> None:
    """Write text with its visual middle at ``y``: the base line lies .35 em lower, whatever the letters."""
    on = text.color.removeprefix("on-")
    color = colors.LIGHT[on] if on == text.color else colors.readable(colors.LIGHT[on])
    place: Any = {"ha": {"start": "left", "middle": "center", "end": "right"}[text.anchor], "va": "baseline"}
    look: Any = {
        "fontfamily": FONTS["mono" if text.mono else "sans"],
        "fontsize": _points(text.size),
        "fontweight": "bold" if text.bold else "normal",
        "color": color,
    }
    axes.text(text.x, text.y + 0.35 * text.size, sanitize(text.text), parse_math=False, zorder=order, **look, **place)
