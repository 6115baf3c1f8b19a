"""Checks of models, adapters and tasks."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.conformance.checking import NotApplicable, Subject
from interp.errors import InterpError

if TYPE_CHECKING:
    import torch

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

    made = 0
    for options in settings(subject):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            module = built(subject, options)
            if module is None:
                continue
            compare(subject, module, options)
        made += 1
    if not made:
        raise NotApplicable("nobody says how its module is made: conformance(…, options={adapter: {'build': …}})")


def settings(subject: Subject) -> Iterable[dict[str, bool | int]]:
    """Return the options of a module to try: those of the grid that its constructor has."""
    if subject.value.cell:
        return [{}, {"bias": False}]
    return [dict(zip(GRID, values, strict=True)) for values in product(*GRID.values())]


def built(subject: Subject, options: dict[str, Any]) -> torch.nn.Module | None:
    """Return the module with some options, or None where it does not take them or can't be made from two sizes."""
    from importlib import import_module

    given = dict(subject.given) if not callable(subject.given) else {}
    if "build" in given:
        made: torch.nn.Module = given["build"]()
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
    given = dict(subject.given) if not callable(subject.given) else {}
    return subject.value(**{name: value for name, value in given.items() if name not in ("split", "model")})


def some(subject: Subject, seed: int = 0, limit: int = 8) -> list[Any]:
    """Return a few batches."""
    given = dict(subject.given) if not callable(subject.given) else {}
    return list(task_of(subject).batches(given.get("split", "demo"), limit=limit, seed=seed))


def aligned(subject: Subject) -> None:
    """Count labels: a value for each token, with input, output and source among them."""
    for batch in some(subject):
        lengths = list(batch.lengths or [])
        for name in ("input", "output"):
            if name not in (batch.labels or {}):
                subject.fail(f"its batches have no label {name!r}.", "Batch(…, labels={'input': …, 'output': …}).")
            if len(batch.labels[name]) not in (sum(lengths), len(lengths)):
                subject.fail(f"its label {name!r} has {len(batch.labels[name])} values for {sum(lengths)} tokens.",
                             "one value for each token, samples one after the other.")  # fmt: skip


def seeded(subject: Subject) -> None:
    """Ask twice with one seed: the same text, and the same when a batch list is gone through again."""
    one, two = some(subject), some(subject)
    for a, b in zip(one, two, strict=True):
        if any(not np.array_equal(a.labels[name], b.labels[name]) for name in a.labels):
            subject.fail("asked twice with one seed, it gives other text.", "draw from np.random.default_rng(seed).")


def limited(subject: Subject) -> None:
    """Ask for a number of samples: no more come."""
    samples = sum(len(batch.lengths or []) for batch in some(subject, limit=5))
    if samples > 5:
        subject.fail(f"asked for limit=5 samples, it gives {samples}.", "stop after limit samples.")


def closed_alphabet(subject: Subject) -> None:
    """Run its network: what it decodes are symbols of the network, one for each token."""
    from interp.loading import load_model

    given = dict(subject.given) if not callable(subject.given) else {}
    if "model" not in given:
        raise NotApplicable("nobody names a model of the task: conformance(…, options={task: {'model': …}})")
    task, model = task_of(subject), load_model(given["model"])
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
