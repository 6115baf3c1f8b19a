"""Pictures: views, scenes, colours and the texts in them."""

from interp.plotting import colors, render, scene
from interp.plotting.selection import Selection
from interp.plotting.text import (
    GREY_NOTE,
    MIN_SOURCES,
    MIN_TOKENS,
    escape,
    format_caption,
    format_counts,
    format_counts_short,
    format_offset,
    format_pair,
    has_enough_data,
    pluralize,
    sanitize,
    show_invisible,
    truncate_middle,
)
from interp.plotting.view import SceneView, View
from interp.registry import get_viewer
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
    "SceneView",
    "Selection",
    "UNIT_LABELS",
    "View",
    "colors",
    "escape",
    "format_caption",
    "format_counts",
    "format_counts_short",
    "format_offset",
    "format_pair",
    "format_unit_name",
    "get_viewer",
    "has_enough_data",
    "pluralize",
    "render",
    "sanitize",
    "scene",
    "select_pair",
    "select_unit",
    "show_invisible",
    "truncate_middle",
    "write_atomically",
]
