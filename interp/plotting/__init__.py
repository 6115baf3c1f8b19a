"""Views and their parts: scenes, axes, colours, text, HTML pages."""

from interp.plotting import colors, render, scene
from interp.plotting.axes import Axes, axis_range
from interp.plotting.html import read_asset, render_document, render_table, render_template
from interp.plotting.selection import Selection
from interp.plotting.text import (
    GREY_NOTE,
    MIN_SOURCES,
    MIN_TOKENS,
    escape,
    format_caption,
    format_counts,
    format_counts_short,
    format_number,
    format_offset,
    format_pair,
    has_enough_data,
    pluralize,
    sanitize,
    show_invisible,
    truncate_middle,
)
from interp.plotting.view import SceneView, View
from interp.registry import get_viewer, names_missing_extra
from interp.schema import LAYER_COORDS, NEURON_COORDS, SIGMOID_GATES, UNIT_LABELS, format_unit_name
from interp.selection import select_pair, select_unit
from interp.storage.filesystem import write_atomically

__all__ = [
    "GREY_NOTE",
    "LAYER_COORDS",
    "MIN_SOURCES",
    "MIN_TOKENS",
    "NEURON_COORDS",
    "SIGMOID_GATES",
    "UNIT_LABELS",
    "Axes",
    "SceneView",
    "Selection",
    "View",
    "axis_range",
    "colors",
    "escape",
    "format_caption",
    "format_counts",
    "format_counts_short",
    "format_number",
    "format_offset",
    "format_pair",
    "format_unit_name",
    "get_viewer",
    "has_enough_data",
    "names_missing_extra",
    "pluralize",
    "read_asset",
    "render",
    "render_document",
    "render_table",
    "render_template",
    "sanitize",
    "scene",
    "select_pair",
    "select_unit",
    "show_invisible",
    "truncate_middle",
    "write_atomically",
]
