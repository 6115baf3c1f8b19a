"""Checks of models, adapters and tasks."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.capturing.labels import flatten
from interp.conformance.checking import NotApplicable, Subject
from interp.errors import InterpError

if TYPE_CHECKING:
    import torch

    from interp.registry import Registry

GRID = {"num_layers": (1, 2), "bidirectional": (False, True), "bias": (True, False), "batch_first": (True, False)}
SIZE, STEPS, SAMPLES = 4, 5, 3


def loads(subject: Subject) -> None:
    """Build the network fresh, twice, and with its weights if it has some; it contains a recurrent module."""
    from interp.loading import load_model
    from interp.registry import registry

    one, two = (subject.value.build().state_dict() for _ in range(2))
    if {name: held.shape for name, held in one.items()} != {name: held.shape for name, held in two.items()}:
        subject.fail("built twice, it has other parameters.", "build() takes no decision: the same network each time.")
    known = registry().table("model").get(subject.name)
    if subject.value.weights is not None and known is not None and known.value is subject.value:
        load_model(subject.name)


def recurrent(subject: Subject) -> None:
    """Look for a module that some adapter reads."""
    from interp.registry import registry

    known = {owned.value.module for owned in registry().table("adapter").values()}
    names = {
        f"{kind.__module__}.{kind.__qualname__}"
        for module in subject.value.build().modules()
        for kind in type(module).mro()
    }
    if not known & names:
        subject.fail("it has no recurrent module that an adapter reads.", "register an Adapter for its module.")


def exact(subject: Subject) -> None:
    """Capture the module over a grid of its options: the engine equals the module, which capture itself checks."""
    import torch

    from interp.registry import isolated

    made = 0
    for options in settings(subject):
        with torch.random.fork_rng(), isolated(alone(subject)):
            torch.manual_seed(0)
            module = built(subject, options)
            if module is None:
                continue
            compare(subject, module, options)
        made += 1
    if not made:
        raise NotApplicable("nobody says how its module is made: conformance(…, options={adapter: {'build': …}})")


def alone(subject: Subject) -> Registry:
    """Return a host in which this adapter alone reads modules: another one of the same module is not asked."""
    from interp.hookspecs import Register, hookimpl
    from interp.registry import Registry

    class Only:
        @hookimpl
        def register_adapters(self, register: Register) -> None:
            register(subject.value)

    return Registry({subject.plugin: Only()})


def settings(subject: Subject) -> Iterable[dict[str, bool | int]]:
    """Return the options of a module to try: those of the grid that its constructor has."""
    if "build" in subject.fixed:
        return [{}]
    if subject.value.cell:
        return [{}, {"bias": False}]
    return [dict(zip(GRID, values, strict=True)) for values in product(*GRID.values())]


def built(subject: Subject, options: dict[str, Any]) -> torch.nn.Module | None:
    """Return the module with some options, or None where it does not take them or can't be made from two sizes."""
    from importlib import import_module

    if "build" in subject.fixed:
        made: torch.nn.Module = subject.fixed["build"]()
        return made
    where, _, name = subject.value.module.rpartition(".")
    try:
        found: torch.nn.Module = getattr(import_module(where), name)(SIZE, SIZE, **options)
    except (TypeError, ImportError, AttributeError):
        return None
    return found


def compare(subject: Subject, module: torch.nn.Module, options: dict[str, Any]) -> None:
    """Capture a module alone; its own output is what the units say."""
    import torch

    from interp.capture import capture
    from interp.contracts import Batch

    steps_first = not (subject.value.cell or getattr(module, "batch_first", False))
    shape = (SAMPLES, SIZE) if subject.value.cell else (STEPS, SAMPLES, SIZE) if steps_first else (SAMPLES, STEPS, SIZE)
    batch = Batch(torch.randn(shape))
    try:
        acts = capture(module.eval(), [batch], quantities=list(subject.value.quantities), progress=False)
    except InterpError as error:
        subject.fail(f"with {options or 'its defaults'} it differs from the module: {error}", "correct its step.")
    missing = set(subject.value.quantities) - set(acts["quantity"].values.tolist())
    if missing:
        subject.fail(f"its quantities {sorted(missing)} were not captured.", "call tap once for each quantity in step.")


def task_of(subject: Subject) -> Any:
    """Return the task, made from the options that are given."""
    return subject.value(**{name: value for name, value in subject.fixed.items() if name not in ("split", "model")})


def some(subject: Subject, limit: int = 8) -> Iterable[Any]:
    """Return a few batches, as the task gives them."""
    batches: Iterable[Any] = task_of(subject).batches(subject.fixed.get("split", "demo"), limit=limit, seed=0)
    return batches


def aligned(subject: Subject) -> None:
    """Count labels: a value for each token, with input, output and source among them."""
    for batch in some(subject):
        labels = batch.labels or {}
        missing = {"input", "output", "source"} - set(labels)
        if missing:
            subject.fail(
                f"its batches lack {sorted(missing)}.", "Batch(…, labels={'input': …, 'output': …, 'source': …})."
            )
        lengths = np.array(batch.lengths if batch.lengths is not None else [len(row) for row in labels["input"]])
        for name, values in labels.items():
            try:
                flatten(name, values, lengths)
            except InterpError as error:
                subject.fail(str(error), "one value for each token, samples one after the other.")


def seeded(subject: Subject) -> None:
    """Ask twice with one seed, and go through what came twice: the same text each time."""
    batches = some(subject)
    for again in (some(subject), batches):
        for one, other in zip(batches, again, strict=True):
            if any(not same(one.labels[name], other.labels[name]) for name in one.labels):
                subject.fail(
                    "asked twice with one seed, it gives other text.", "draw from np.random.default_rng(seed)."
                )


def same(one: Any, other: Any) -> bool:
    """Return whether labels are equal, flat or a sequence for each sample."""
    return [np.asarray(row).tolist() for row in one] == [np.asarray(row).tolist() for row in other]


def limited(subject: Subject) -> None:
    """Ask for a number of samples: no more come."""
    samples = sum(len(batch.lengths or []) for batch in some(subject, limit=5))
    if samples > 5:
        subject.fail(f"asked for limit=5 samples, it gives {samples}.", "stop after limit samples.")


def closed_alphabet(subject: Subject) -> None:
    """Run its network: what it decodes are symbols of the network, one for each token."""
    from interp.loading import load_model

    if "model" not in subject.fixed:
        raise NotApplicable("nobody names a model of the task: conformance(…, options={task: {'model': …}})")
    task, model = task_of(subject), load_model(subject.fixed["model"])
    known = set(next(iter(model.symbols.values())))  # type: ignore[operator]
    for batch in some(subject):
        for symbols, length in zip(task.decode(model(*batch.inputs), batch), batch.lengths, strict=True):
            if len(symbols) != length or not set(symbols) <= known:
                subject.fail(
                    "it decodes other symbols, or another number of them.", "one symbol of the output for each token."
                )


MODEL_RULES = {"loads": loads, "recurrent": recurrent}
ADAPTER_RULES = {"exact": exact}
TASK_RULES = {"aligned": aligned, "seeded": seeded, "limited": limited, "closed-alphabet": closed_alphabet}
