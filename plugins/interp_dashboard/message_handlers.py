"""Handlers of the messages of a page: selections, notes, downloads, states. All other messages are rejected."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from interp import InterpError, OptionError, Selection

if TYPE_CHECKING:
    from interp_dashboard.dashboard import Dashboard

MEDIA_TYPES = {"html": "text/html", "png": "image/png", "svg": "image/svg+xml", "json": "application/json"}


def handle_message(dashboard: Dashboard, message: Any) -> None:
    """Handle a message of a page; errors are reported to the page.

    Parameters
    ----------
    dashboard : Dashboard
        Dashboard of that page.
    message : mapping
        ``kind`` is a key of `HANDLERS`. The content is untrusted.
    """
    try:
        if not isinstance(message, Mapping) or message.get("kind") not in HANDLERS:
            raise OptionError("The page sent a message that this server does not know. Reload the page.")
        HANDLERS[message["kind"]](dashboard, message)
    except (InterpError, ValueError, TypeError) as error:
        send_status(dashboard, str(error), error=True)


def send_status(dashboard: Dashboard, text: str, *, error: bool = False) -> None:
    """Send a line of text to the page, such as an error."""
    dashboard.send({"kind": "status", "text": text, "error": error})


def _text_field(message: Mapping[str, Any], name: str) -> str:
    value = message.get(name, "")
    if not isinstance(value, str):
        raise OptionError(f"Expected text for {name}; got {type(value).__name__}.")
    return value


def handle_ready(dashboard: Dashboard, message: Mapping[str, Any]) -> None:
    """Send everything to a page that has just opened, with the selection of its URL."""
    state = Selection.parse(_text_field(message, "query"))
    dashboard.send(choices_message(dashboard))
    if state:
        dashboard.follows_selection = False
        try:
            dashboard.selection.restore(state)
        except InterpError as error:
            send_status(dashboard, f"The URL can't be read: {error}", error=True)
        finally:
            dashboard.follows_selection = True
    dashboard.show()


def choices_message(dashboard: Dashboard) -> dict[str, Any]:
    """Return the message with the possible selections and the notes."""
    data = dashboard.data
    return {
        "kind": "choices",
        "pairs": data.pairs,
        "units": data.units,
        "quantities": sorted(set(data.acts["quantity"].values.tolist())),
        "windows": data.n_windows,
        "model": str(data.acts.attrs.get("model") or "a network"),
        "tokens": data.acts.sizes["token"],
        "notes": read_notes(dashboard),
    }


def read_notes(dashboard: Dashboard) -> dict[str, Any]:
    """Return name and note by unit; if the file can't be read, report it to the page and return nothing."""
    notes = dashboard.data.notes
    if notes is None:
        return {}
    try:
        return {unit: {key: entry.get(key, "") for key in ("name", "note")} for unit, entry in notes.read().items()}
    except (InterpError, OSError) as error:
        send_status(dashboard, str(error), error=True)
        return {}


def handle_pick(dashboard: Dashboard, message: Mapping[str, Any]) -> None:
    """Select the item clicked in a view, by its key or by the first lines of its note."""
    dashboard.pick([_text_field(message, "key"), *_text_field(message, "note").split("\n")[:2]])


def handle_choose(dashboard: Dashboard, message: Mapping[str, Any]) -> None:
    """Set parts of the selection; the others stay."""
    values = message.get("values")
    if not isinstance(values, Mapping):
        raise OptionError("Expected values by name.")
    values = dict(values)
    if values.get("unit") and not dashboard.data.has_unit(values["unit"]):
        raise OptionError(f"There is no unit {values['unit']!r}.")
    sample = values.get("sample")
    if isinstance(sample, int) and sample >= 0 and "window" not in values:
        values["window"] = dashboard.data.window_of(sample)
    dashboard.selection.restore({**dashboard.selection.state(), **values})


def handle_note(dashboard: Dashboard, message: Mapping[str, Any]) -> None:
    """Save the name and the note of a unit."""
    notes = dashboard.data.notes
    if notes is None:
        raise OptionError("There is no store to save notes beside: pass notes=interp_dashboard.Notes(PATH).")
    unit = _text_field(message, "unit")
    if not dashboard.data.has_unit(unit):
        raise OptionError(f"There is no unit {unit!r}, so its note was not saved.")
    notes.write(unit, _text_field(message, "name").strip(), _text_field(message, "note"))
    dashboard.send({"kind": "notes", "notes": read_notes(dashboard)})
    send_status(dashboard, f"Saved in {notes.path.name}.")


def handle_download(dashboard: Dashboard, message: Mapping[str, Any]) -> None:
    """Send a panel as a file."""
    name, suffix = _text_field(message, "panel"), _text_field(message, "format")
    if name not in dashboard.views or suffix not in ("html", "png", "svg"):
        raise OptionError(f"There is no panel {name!r} to download as {suffix!r}.")
    with TemporaryDirectory() as folder:
        content = dashboard.views[name].save(Path(folder) / f"{name}.{suffix}").read_bytes()
    _send_file(dashboard, f"{name}.{suffix}", content)


def handle_save(dashboard: Dashboard, message: Mapping[str, Any]) -> None:  # noqa: ARG001
    """Send the selection as a JSON file."""
    _send_file(dashboard, "selection.json", dashboard.selection.to_json().encode())


def handle_load(dashboard: Dashboard, message: Mapping[str, Any]) -> None:
    """Set the selection from a JSON file."""
    dashboard.selection.from_json(_text_field(message, "text"))


def _send_file(dashboard: Dashboard, name: str, content: bytes) -> None:
    media_type = MEDIA_TYPES[name.rpartition(".")[2]]
    dashboard.send({"kind": "file", "name": name, "type": media_type, "content": b64encode(content).decode()})


HANDLERS: Mapping[str, Callable[[Dashboard, Mapping[str, Any]], None]] = {
    "ready": handle_ready,
    "pick": handle_pick,
    "choose": handle_choose,
    "note": handle_note,
    "download": handle_download,
    "save": handle_save,
    "load": handle_load,
}
