"""What a page may ask for: choices, notes, downloads, states; whatever else it sends is refused."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from interp import InterpError, OptionError, Selection

if TYPE_CHECKING:
    from interp_dashboard.dashboard import Dashboard

TYPES = {"html": "text/html", "png": "image/png", "svg": "image/svg+xml", "json": "application/json"}


def answer(dashboard: Dashboard, message: Any) -> None:
    """Do what a page asks for; what is wrong with it is said to the page.

    Parameters
    ----------
    dashboard : Dashboard
        Of that page.
    message : mapping
        ``kind`` is one of `ANSWERS`; nothing in it is trusted.
    """
    try:
        if not isinstance(message, Mapping) or message.get("kind") not in ANSWERS:
            raise OptionError("The page asked for something that this server does not know. Load it again.")
        ANSWERS[message["kind"]](dashboard, message)
    except (InterpError, ValueError, TypeError) as error:
        dashboard.send({"kind": "said", "text": str(error), "wrong": True})


def _text(message: Mapping[str, Any], name: str) -> str:
    value = message.get(name, "")
    if not isinstance(value, str):
        raise OptionError(f"Expected a text for {name}; got a {type(value).__name__}.")
    return value


def ready(dashboard: Dashboard, message: Mapping[str, Any]) -> None:
    """Send all to a page that has opened, as its URL says."""
    state = Selection.parse(_text(message, "query"))
    dashboard.send(choices(dashboard))
    if state:
        dashboard.watching = False
        try:
            dashboard.selection.restore(state)
        except InterpError as error:
            dashboard.send({"kind": "said", "text": f"The URL can't be read: {error}", "wrong": True})
        finally:
            dashboard.watching = True
    dashboard.show()


def choices(dashboard: Dashboard) -> dict[str, Any]:
    """Return what there is to choose from, and the notes."""
    held = dashboard.material
    return {
        "kind": "choices",
        "pairs": held.pairs,
        "units": held.units,
        "quantities": sorted(set(held.acts["quantity"].values.tolist())),
        "windows": held.windows,
        "model": str(held.acts.attrs.get("model") or "a network"),
        "tokens": held.acts.sizes["token"],
        "notes": notes(dashboard),
    }


def notes(dashboard: Dashboard) -> dict[str, Any]:
    """Return name and note by unit; nothing, and a sentence, where the file can't be read."""
    held = dashboard.material.notes
    if held is None:
        return {}
    try:
        return {unit: {key: one.get(key, "") for key in ("name", "note")} for unit, one in held.read().items()}
    except (InterpError, OSError) as error:
        dashboard.send({"kind": "said", "text": str(error), "wrong": True})
        return {}


def picked(dashboard: Dashboard, message: Mapping[str, Any]) -> None:
    """Choose what was clicked in a view: by its key, or by the first lines of its note."""
    dashboard.pick([_text(message, "key"), *_text(message, "note").split("\n")[:2]])


def chosen(dashboard: Dashboard, message: Mapping[str, Any]) -> None:
    """Set parts of the selection; the others stay."""
    values = message.get("values")
    if not isinstance(values, Mapping):
        raise OptionError("Expected values by name.")
    values = dict(values)
    if values.get("unit") and not dashboard.material.has_unit(values["unit"]):
        raise OptionError(f"There is no unit {values['unit']!r}.")
    sample = values.get("sample")
    if isinstance(sample, int) and sample >= 0 and "window" not in values:
        values["window"] = dashboard.material.find(sample)
    dashboard.selection.restore({**dashboard.selection.state(), **values})


def noted(dashboard: Dashboard, message: Mapping[str, Any]) -> None:
    """Save the name and the note of a unit."""
    if dashboard.material.notes is None:
        raise OptionError(
            "There is no store beside which notes could be kept: give notes=interp_dashboard.Notes(PATH)."
        )
    unit = _text(message, "unit")
    if not dashboard.material.has_unit(unit):
        raise OptionError(f"There is no unit {unit!r} to note something of.")
    dashboard.material.notes.write(unit, _text(message, "name").strip(), _text(message, "note"))
    dashboard.send({"kind": "notes", "notes": notes(dashboard)})
    dashboard.send({"kind": "said", "text": f"Saved in {dashboard.material.notes.path.name}."})


def download(dashboard: Dashboard, message: Mapping[str, Any]) -> None:
    """Send a panel as a file."""
    name, suffix = _text(message, "panel"), _text(message, "format")
    if name not in dashboard.views or suffix not in ("html", "png", "svg"):
        raise OptionError(f"There is no panel {name!r} to download as {suffix!r}.")
    with TemporaryDirectory() as folder:
        content = dashboard.views[name].save(Path(folder) / f"{name}.{suffix}").read_bytes()
    _send_file(dashboard, f"{name}.{suffix}", content)


def save_state(dashboard: Dashboard, message: Mapping[str, Any]) -> None:  # noqa: ARG001
    """Send the selection as a JSON file."""
    _send_file(dashboard, "selection.json", dashboard.selection.to_json().encode())


def load_state(dashboard: Dashboard, message: Mapping[str, Any]) -> None:
    """Take the selection from a JSON file."""
    dashboard.selection.from_json(_text(message, "text"))


def _send_file(dashboard: Dashboard, name: str, content: bytes) -> None:
    kind = TYPES[name.rpartition(".")[2]]
    dashboard.send({"kind": "file", "name": name, "type": kind, "content": b64encode(content).decode()})


ANSWERS: Mapping[str, Callable[[Dashboard, Mapping[str, Any]], None]] = {
    "ready": ready,
    "pick": picked,
    "choose": chosen,
    "note": noted,
    "download": download,
    "save": save_state,
    "load": load_state,
}
