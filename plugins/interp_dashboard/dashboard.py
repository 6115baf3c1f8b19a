"""The dashboard without a browser: a selection, and the panels that follow it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import interp
from interp import InterpError, OptionError, Selection
from interp_dashboard import inference
from interp_dashboard.data import DashboardData
from interp_dashboard.panels import Missing, Panel, drawable_panels, viewer_arguments

if TYPE_CHECKING:
    import xarray as xr

    from interp import View

Send = Callable[[dict[str, Any]], None]
Later = Callable[[Callable[[], None]], None]
MAX_UNITS = 8  # rows of units in the text
LOG = logging.getLogger("interp_dashboard")


class Dashboard:
    """Panels that follow a `Selection` and write a reader's clicks to it.

    It does not depend on a browser: its output is a sequence of small dicts, passed to ``send``.

    Parameters
    ----------
    data : DashboardData
        Activations and results to show.
    selection : Selection, optional
        Selection to read and to write, such as a notebook's; by default a new one.
    send : callable
        Takes a message: ``{"kind": "panel", …}``, ``{"kind": "state", …}``, ``{"kind": "status", …}``.
    later : callable, optional
        Takes a function and calls it after pending messages are sent, so that a page can show a panel while the next
        one is drawn. By default functions are called immediately.
    """

    def __init__(
        self, data: DashboardData, selection: Selection | None = None, *, send: Send, later: Later | None = None
    ) -> None:
        self.data, self.send, self.later = data, send, later or _call_now
        self.selection = selection if selection is not None else Selection()
        self.views: dict[str, View] = {}
        self._inputs: dict[str, tuple[Any, ...]] = {}  # inputs that each panel was last drawn from
        self._cache: dict[str, tuple[Any, Any]] = {}  # last key and result by name
        self._serial = 0
        self.follows_selection = True
        self._watcher = self.selection.param.watch(self._on_change, Selection.names())

    def _on_change(self, *_: Any) -> None:
        if self.follows_selection:
            self.redraw()

    def close(self) -> None:
        """Stop following the selection."""
        self.selection.param.unwatch(self._watcher)

    def show(self) -> None:
        """Send everything to a page that has just opened; if nothing is selected, select the strongest pair."""
        self._inputs.clear()
        if not self.selection.state():
            self.select_strongest()
        else:
            self.redraw()

    def select_strongest(self) -> None:
        """Select the pair with the largest distance of any unit, and that unit."""
        pair = next(iter(self.data.pairs), "")
        before = self.selection.state()
        self.selection.param.update(pair=pair, unit=self.data.best_unit(pair))
        if self.selection.state() == before:
            self.redraw()

    def redraw(self) -> None:
        """Send the state, then draw and send the panels that have changed."""
        self._serial += 1
        self.send(self.state())
        arguments, remaining = self._shared_arguments(), iter(drawable_panels())
        self._draw_next(self._serial, arguments, remaining)

    def _draw_next(self, serial: int, arguments: Mapping[str, Any], remaining: Iterator[Panel]) -> None:
        """Draw panels up to the first that has changed, and the others later; stop if the selection has changed."""
        if serial != self._serial:
            return
        for panel in remaining:
            if self._draw_panel(panel, arguments):
                self.later(lambda: self._draw_next(serial, arguments, remaining))
                return
        self.send({"kind": "done", "serial": serial})

    def state(self) -> dict[str, Any]:
        """Return the message with the selection, as values and as the query of a URL."""
        return {
            "kind": "state",
            "serial": self._serial,
            "values": {name: getattr(self.selection, name) for name in Selection.names()},
            "query": self.selection.query(),
            "sample": self._sample_or_none(),
        }

    def _sample_or_none(self) -> int:
        """Return the sample to show, or -1."""
        try:
            return self._sample()
        except InterpError:
            return -1

    def _shared_arguments(self) -> dict[str, Any]:
        """Return the arguments that are available to all panels, by the names of viewers' parameters."""
        selection, data = self.selection, self.data
        arguments: dict[str, Any] = {**data.results, "model": data.model, "connectivity": data.connectivity}
        arguments |= {"unit": selection.unit, "pair": selection.pair, "acts": self._or_missing(self._window)}
        arguments["other"] = self._or_missing(lambda: data.other and data.other.window(selection.window))
        units = filter(data.has_unit, [selection.unit, *selection.units])
        arguments["units"] = list(dict.fromkeys(units))[:MAX_UNITS]
        arguments["text"] = self._or_missing(self._text)
        return arguments

    def _or_missing(self, make: Callable[[], Any]) -> Any:
        """Return the result of a function; if it fails, return the reason as a `Missing`."""
        try:
            return make()
        except InterpError as error:
            return Missing(str(error))
        except Exception as error:  # models and probes of users may raise anything; the other panels have to work
            LOG.exception("An argument of a panel could not be computed")
            return Missing(f"This failed: {error!r}")

    def _window(self) -> xr.Dataset:
        return self.data.window(self.selection.window)

    def _text(self) -> xr.Dataset:
        """Return one sample of the window, or the typed sentence."""
        if self.selection.text:
            sentence = self.selection.text
            acts: xr.Dataset = self._cached(
                "sentence", (sentence,), lambda: inference.run_sentence(self.data, sentence)
            )
            return acts
        text = interp.select(self._window(), sample=self._sample())
        if not text.sizes["token"]:
            raise OptionError(
                f"Sample {self.selection.sample} is in another window; type its number in the field Sample."
            )
        return text

    def _edited(self) -> tuple[xr.Dataset, xr.Dataset]:
        selection = self.selection
        key = (selection.text, selection.window, selection.sample, repr(selection.edits))
        runs: tuple[xr.Dataset, xr.Dataset] = self._cached(
            "edited",
            key,
            lambda: inference.run_before_after(self.data, self._text(), self._window(), selection.edits),
        )
        return runs

    def _hypothesis(self) -> xr.Dataset:
        """Return the result of the probe ``hypothesis`` for the selected span, in this window."""
        selection = self.selection
        if selection.text:
            raise OptionError(
                "Patterns are searched for in the corpus: choose a span of its text, not of a typed sentence."
            )
        sample, (first, stop) = self._sample(), selection.span or (0, 0)
        quantity = "h" if (self.data.acts["quantity"] == "h").any() else None
        options = {"quantity": quantity, **selection.pattern}
        result: xr.Dataset = self._cached(
            "hypothesis",
            (selection.window, sample, first, stop, repr(options)),
            lambda: interp.measure("hypothesis", self._window(), span=(sample, first, stop - 1), **options),
        )
        return result

    def _sample(self) -> int:
        """Return the sample to show."""
        samples = self._window()["sample"].values
        if not samples.size:
            raise OptionError("There is no text in this store: no token was captured.")
        return self.selection.sample if self.selection.sample >= 0 else int(samples[0])

    def _cached(self, name: str, key: Any, make: Callable[[], Any]) -> Any:
        """Return the last result of this name if its key is the same; otherwise compute it."""
        if self._cache.get(name, (None, None))[0] != key:
            self._cache[name] = (key, make())
        return self._cache[name][1]

    def _panel_arguments(self, panel: Panel, shared: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a panel: the shared ones, and its own text or result."""
        if panel.name == "strips":
            text = shared["text"]
            use_text = bool(self.selection.text) or isinstance(text, Missing)
            samples = [] if isinstance(text, Missing) else [int(text["sample"].values[0])]
            return {**shared, "acts": text if use_text else shared["acts"], "samples": samples}
        if panel.name == "edit" and self.selection.edits:
            runs = self._or_missing(self._edited)
            before, after = runs if isinstance(runs, tuple) else (shared["acts"], runs)
            return {**shared, "acts": before, "edited": after}
        if panel.name == "hypothesis" and self.selection.span:
            return {**shared, "hypothesis": self._or_missing(self._hypothesis)}
        if panel.name == "card":
            return {**shared, "acts": self._or_missing(lambda: self.data.preview(self.selection.window))}
        return dict(shared)

    def _draw_panel(self, panel: Panel, shared: Mapping[str, Any]) -> bool:
        """Draw and send a panel, unless its inputs are unchanged; return whether it was sent."""
        message = {"kind": "panel", "panel": panel.name, "heading": panel.title, "serial": self._serial}
        try:
            datasets, keywords = viewer_arguments(panel.viewer, self._panel_arguments(panel, shared), panel.options)
            if "connectivity" in keywords:
                keywords.pop("model", None)  # redundant, and it would be hashed each time
            options = {name: value for name, value in keywords.items() if isinstance(value, str | int | list)}
            inputs = (*datasets, repr(options))
            if same_inputs(self._inputs.get(panel.name), inputs):
                return False
            view = interp.draw(panel.viewer, *datasets, **keywords)
            self.views[panel.name], self._inputs[panel.name] = view, inputs
            self.send({**message, "html": view.html(max_cells=0), "title": view.title})
        except (Missing, InterpError) as error:
            return self._send_missing(panel, message, str(error))
        except Exception as error:  # viewers of users may raise anything; the other panels have to work
            LOG.exception("The viewer %r failed", panel.viewer)
            return self._send_missing(panel, message, f"The viewer {panel.viewer!r} failed: {error!r}")
        return True

    def _send_missing(self, panel: Panel, message: Mapping[str, Any], reason: str) -> bool:
        self.views.pop(panel.name, None)
        if same_inputs(self._inputs.get(panel.name), (reason,)):
            return False
        self._inputs[panel.name] = (reason,)
        self.send({**message, "missing": reason, "title": panel.title})
        return True

    def pick(self, names: Sequence[str]) -> None:
        """Select the first unit and the first pair among some names; other names are ignored."""
        units = [name for name in names if self.data.has_unit(name)]
        pairs = [name for name in names if name in self.data.pairs]
        values = {name: matches[0] for name, matches in (("unit", units), ("pair", pairs)) if matches}
        if values:
            self.selection.param.update(**values)


def _call_now(act: Callable[[], None]) -> None:
    act()


def same_inputs(before: tuple[Any, ...] | None, now: tuple[Any, ...]) -> bool:
    """Return whether two panels are drawn from the same objects and options."""
    if before is None or len(before) != len(now):
        return False
    return all(a is b or (isinstance(a, str) and a == b) for a, b in zip(before, now, strict=True))
