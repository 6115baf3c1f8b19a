"""The dashboard: a selection, and the panels that follow it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import interp
from interp import InterpError, OptionError, Selection
from interp_dashboard import texts
from interp_dashboard.material import Material
from interp_dashboard.panels import Missing, Panel, filled, panels

if TYPE_CHECKING:
    import xarray as xr

    from interp import View

Send = Callable[[dict[str, Any]], None]
Later = Callable[[Callable[[], None]], None]
SHOWN_UNITS = 8  # rows of the strips
LOG = logging.getLogger("interp_dashboard")


class Dashboard:
    """Panels that show what a `Selection` says, and tell it what a reader clicks.

    It knows no browser: what it has to say goes to ``send``, one small dict after the other.

    Parameters
    ----------
    material : Material
        What is shown.
    selection : Selection, optional
        One of your own to read and to write, such as a notebook's.
    send : callable
        Takes ``{"kind": "panel", …}``, ``{"kind": "state", …}``, ``{"kind": "said", …}``.
    later : callable, optional
        Takes what has to be done next, and does it when what was sent is on its way: a page can show a panel while the
        next one is drawn. By default all is done at once.
    """

    def __init__(
        self, material: Material, selection: Selection | None = None, *, send: Send, later: Later | None = None
    ) -> None:
        self.material, self.send, self.later = material, send, later or _at_once
        self.selection = selection if selection is not None else Selection()
        self.views: dict[str, View] = {}
        self._keys: dict[str, tuple[Any, ...]] = {}  # what each panel was drawn from
        self._runs: dict[str, tuple[Any, Any]] = {}
        self._serial = 0
        self.watching = True
        self._watcher = self.selection.param.watch(self._changed, Selection.names())

    def _changed(self, *_: Any) -> None:
        if self.watching:
            self.redraw()

    def close(self) -> None:
        """Follow the selection no more."""
        self.selection.param.unwatch(self._watcher)

    def show(self) -> None:
        """Send everything anew, to a page that has just opened; where nothing is chosen, choose the strongest pair."""
        self._keys.clear()
        if not self.selection.state():
            self.begin()
        else:
            self.redraw()

    def begin(self) -> None:
        """Choose the pair that some unit tells apart best, and that unit."""
        pair = next(iter(self.material.pairs), "")
        before = self.selection.state()
        self.selection.param.update(pair=pair, unit=self.material.best(pair))
        if self.selection.state() == before:
            self.redraw()

    def redraw(self) -> None:
        """Draw what has changed and send it; then the state."""
        self._serial += 1
        self.send(self.state())
        have, left = self._have(), iter(panels())
        self._go_on(self._serial, have, left)

    def _go_on(self, serial: int, have: Mapping[str, Any], left: Iterator[Panel]) -> None:
        """Draw panels up to the first that has changed, and the others later; none where a newer choice came."""
        if serial != self._serial:
            return
        for panel in left:
            if self._panel(panel, have):
                self.later(lambda: self._go_on(serial, have, left))
                return
        self.send({"kind": "done", "serial": serial})

    def state(self) -> dict[str, Any]:
        """Return what is chosen, as values and as the query of a URL."""
        return {
            "kind": "state",
            "serial": self._serial,
            "values": {name: getattr(self.selection, name) for name in Selection.names()},
            "query": self.selection.query(),
            "shown": self._asked_sample(),
        }

    def _asked_sample(self) -> int:
        try:
            return self._shown()
        except InterpError:
            return -1

    def _have(self) -> dict[str, Any]:
        """Return what there is to draw from, by the names of viewers' parameters."""
        chosen, held = self.selection, self.material
        have: dict[str, Any] = {**held.results, "model": held.model, "wiring": held.wiring}
        have |= {"unit": chosen.unit, "pair": chosen.pair, "acts": self._asked(self._window)}
        have["other"] = self._asked(lambda: held.other and held.other.window(chosen.window))
        have["units"] = list(dict.fromkeys(filter(held.has_unit, [chosen.unit, *chosen.units])))[:SHOWN_UNITS]
        have["text"] = self._asked(self._text)
        return have

    def _asked(self, make: Callable[[], Any]) -> Any:
        """Return what is asked for, or the sentence that says why there is none, as a `Missing`."""
        try:
            return make()
        except InterpError as error:
            return Missing(str(error))
        except Exception as error:  # a stranger's model or probe may raise anything; what needs neither has to work
            LOG.exception("What a panel needs could not be made")
            return Missing(f"This failed: {error!r}")

    def _window(self) -> xr.Dataset:
        return self.material.window(self.selection.window)

    def _text(self) -> xr.Dataset:
        """Return one sample: of the window, or the typed sentence."""
        if self.selection.text:
            typed = self.selection.text
            made: xr.Dataset = self._kept("typed", (typed,), lambda: texts.typed(self.material, typed))
            return made
        text = interp.pick(self._window(), sample=self._shown())
        if not text.sizes["token"]:
            raise OptionError(f"Sample {self.selection.sample} is in another window; type its number beside Sample.")
        return text

    def _edited(self) -> tuple[xr.Dataset, xr.Dataset]:
        chosen = self.selection
        key = (chosen.text, chosen.window, chosen.sample, repr(chosen.edits))
        made: tuple[xr.Dataset, xr.Dataset] = self._kept(
            "edited",
            key,
            lambda: texts.before_and_after(self.material, self._text(), self._window(), chosen.edits),
        )
        return made

    def _found(self) -> xr.Dataset:
        """Return where the pattern of the span comes back, in this window."""
        chosen = self.selection
        if chosen.text:
            raise OptionError(
                "A pattern is looked for in the corpus: choose a span of its text, not of a typed sentence."
            )
        sample, (first, stop) = self._shown(), chosen.span or (0, 0)
        asked = {"quantity": "h" if (self.material.acts["quantity"] == "h").any() else None, **chosen.pattern}
        made: xr.Dataset = self._kept(
            "found",
            (chosen.window, sample, first, stop, repr(asked)),
            lambda: interp.measure("hypothesis", self._window(), span=(sample, first, stop - 1), **asked),
        )
        return made

    def _shown(self) -> int:
        """Return the sample that is shown."""
        samples = self._window()["sample"].values
        if not samples.size:
            raise OptionError("There is no text in this store: no token was captured.")
        return self.selection.sample if self.selection.sample >= 0 else int(samples[0])

    def _kept(self, name: str, key: Any, make: Callable[[], Any]) -> Any:
        """Return what was made last where the key is the same."""
        if self._runs.get(name, (None, None))[0] != key:
            self._runs[name] = (key, make())
        return self._runs[name][1]

    def _for(self, panel: Panel, have: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a panel is drawn from: some have a text, or a result, of their own."""
        if panel.name == "strips":
            text = have["text"]
            typed = bool(self.selection.text)
            acts = text if typed or isinstance(text, Missing) else have["acts"]
            samples = [] if isinstance(text, Missing) else [int(text["sample"].values[0])]
            return {**have, "acts": acts, "samples": samples}
        if panel.name == "edit" and self.selection.edits:
            edited = self._asked(self._edited)
            before, after = edited if isinstance(edited, tuple) else (have["acts"], edited)
            return {**have, "acts": before, "edited": after}
        if panel.name == "hypothesis" and self.selection.span:
            return {**have, "found": self._asked(self._found)}
        if panel.name == "card":
            return {**have, "acts": self._asked(lambda: self.material.glance(self.selection.window))}
        return dict(have)

    def _panel(self, panel: Panel, have: Mapping[str, Any]) -> bool:
        """Draw a panel and send it, unless it is the one that is there; return whether it was drawn."""
        message = {"kind": "panel", "panel": panel.name, "heading": panel.title, "serial": self._serial}
        try:
            datasets, keywords = filled(panel.viewer, self._for(panel, have), panel.options)
            if "wiring" in keywords:
                keywords.pop("model", None)  # says the same, and would be hashed each time
            told = {name: held for name, held in keywords.items() if isinstance(held, str | int | list)}
            key = (*datasets, repr(told))
            if alike(self._keys.get(panel.name), key):
                return False
            view = interp.draw(panel.viewer, *datasets, **keywords)
            self.views[panel.name], self._keys[panel.name] = view, key
            self.send({**message, "html": view.html(cells=0), "title": view.title})
        except (Missing, InterpError) as error:
            return self._cant(panel, message, str(error))
        except Exception as error:  # a stranger's viewer may raise anything; the other panels have to work
            LOG.exception("The viewer %r failed", panel.viewer)
            return self._cant(panel, message, f"The viewer {panel.viewer!r} failed: {error!r}")
        return True

    def _cant(self, panel: Panel, message: Mapping[str, Any], why: str) -> bool:
        self.views.pop(panel.name, None)
        if alike(self._keys.get(panel.name), (why,)):
            return False
        self._keys[panel.name] = (why,)
        self.send({**message, "missing": why, "title": panel.title})
        return True

    def pick(self, names: Sequence[str]) -> None:
        """Choose the unit and the pair that stand among some names; others are not meant."""
        units = [name for name in names if self.material.has_unit(name)]
        pairs = [name for name in names if name in self.material.pairs]
        found = {"unit": units[:1], "pair": pairs[:1]}
        values = {name: held[0] for name, held in found.items() if held}
        if values:
            self.selection.param.update(**values)


def _at_once(act: Callable[[], None]) -> None:
    act()


def alike(before: tuple[Any, ...] | None, now: tuple[Any, ...]) -> bool:
    """Return whether a panel would be drawn from the same objects and options."""
    if before is None or len(before) != len(now):
        return False
    return all(a is b or (isinstance(a, str) and a == b) for a, b in zip(before, now, strict=True))
