"""Conformance rules of models, adapters and tasks."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.errors import InterpError
from interp.labels import flatten_label
from interp.testing.conformance.check import CheckedObject, NotApplicable

if TYPE_CHECKING:
    import torch

    from interp.registry import Registry


OPTION_GRID = {
    "num_layers": (1, 2),
    "bidirectional": (False, True),
    "bias": (True, False),
    "batch_first": (True, False),
}
SIZE, STEPS, SAMPLES = 4, 5, 3


def loads(subject: CheckedObject) -> None:
    """Require two builds with the same parameters, and weights that load."""
    from interp.api.loading import load_model
    from interp.registry import active_registry

    states = (subject.value.build().state_dict() for _ in range(2))
    one, two = ({name: parameter.shape for name, parameter in state.items()} for state in states)
    if one != two:
        subject.fail("two builds have different parameters.", "make build() return the same architecture each time.")
    entry = active_registry().table("model").get(subject.name)
    if subject.value.weights is not None and entry is not None and entry.value is subject.value:
        load_model(subject.name)


def recurrent(subject: CheckedObject) -> None:
    """Require a module that an adapter reads."""
    from interp.registry import active_registry

    adapted = {owned.value.module for owned in active_registry().table("adapter").values()}
    names = {
        f"{kind.__module__}.{kind.__qualname__}"
        for module in subject.value.build().modules()
        for kind in type(module).mro()
    }
    if not adapted & names:
        subject.fail(
            "it has no recurrent module that an adapter reads.", "register an Adapter for its recurrent module."
        )


def exact(subject: CheckedObject) -> None:
    """Require exact captures for a grid of module options; `capture` itself compares with the module."""
    import torch

    from interp.registry import use_registry

    n_built = 0
    for options in module_options(subject):
        with torch.random.fork_rng(), use_registry(adapter_registry(subject)):
            torch.manual_seed(0)
            module = build_module(subject, options)
            if module is None:
                continue
            compare_capture(subject, module, options)
        n_built += 1
    if not n_built:
        raise NotApplicable(
            "its module can't be built from two sizes. Pass check_plugin_test(…, options={adapter: {'build': …}})."
        )


def adapter_registry(subject: CheckedObject) -> Registry:
    """Return a registry in which only this adapter reads modules."""
    from interp.hookspecs import Register, hookimpl
    from interp.registry import Registry

    class Only:
        @hookimpl
        def register_adapters(self, register: Register) -> None:
            register(subject.value)

    return Registry({subject.plugin: Only()})


def module_options(subject: CheckedObject) -> Iterable[dict[str, bool | int]]:
    """Return the module options to try."""
    if "build" in subject.fixed_options:
        return [{}]
    if subject.value.cell:
        return [{}, {"bias": False}]
    return [dict(zip(OPTION_GRID, values, strict=True)) for values in product(*OPTION_GRID.values())]


def build_module(subject: CheckedObject, options: dict[str, Any]) -> torch.nn.Module | None:
    """Return the module with these options, or None if it doesn't take them or can't be built from two sizes."""
    from importlib import import_module

    if "build" in subject.fixed_options:
        return subject.fixed_options["build"]()  # type: ignore[no-any-return]
    module_path, _, name = subject.value.module.rpartition(".")
    try:
        module: torch.nn.Module = getattr(import_module(module_path), name)(SIZE, SIZE, **options)
    except (TypeError, ImportError, AttributeError):
        return None
    return module


def compare_capture(subject: CheckedObject, module: torch.nn.Module, options: dict[str, Any]) -> None:
    """Capture a module by itself; fail if the units differ from its output, or quantities are missing."""
    import torch

    from interp.api.capture import capture
    from interp.base import Batch

    steps_first = not (subject.value.cell or getattr(module, "batch_first", False))
    shape = (SAMPLES, SIZE) if subject.value.cell else (STEPS, SAMPLES, SIZE) if steps_first else (SAMPLES, STEPS, SIZE)
    batch = Batch(torch.randn(shape))
    try:
        acts = capture(module.eval(), [batch], quantities=list(subject.value.quantities), progress=False)
    except InterpError as error:
        subject.fail(
            f"with {options or 'its defaults'} it differs from the module: {error}", "correct the adapter's step."
        )
    missing = set(subject.value.quantities) - set(acts["quantity"].values.tolist())
    if missing:
        subject.fail(f"its quantities {sorted(missing)} were not captured.", "call tap once per quantity in step.")


def build_task(subject: CheckedObject) -> Any:
    """Return the task, built from the given options."""
    return subject.value(
        **{name: value for name, value in subject.fixed_options.items() if name not in ("split", "model")}
    )


def first_batches(subject: CheckedObject, limit: int = 8) -> Iterable[Any]:
    """Return a few batches of the task."""
    batches: Iterable[Any] = build_task(subject).batches(
        subject.fixed_options.get("split", "demo"), limit=limit, seed=0
    )
    return batches


def aligned(subject: CheckedObject) -> None:
    """Require the labels input, output and source, and one value of each label per token."""
    for batch in first_batches(subject):
        labels = batch.labels or {}
        missing = {"input", "output", "source"} - set(labels)
        if missing:
            subject.fail(
                f"its batches lack {sorted(missing)}.", "Batch(…, labels={'input': …, 'output': …, 'source': …})."
            )
        lengths = np.array(batch.lengths if batch.lengths is not None else [len(row) for row in labels["input"]])
        for name, values in labels.items():
            try:
                flatten_label(name, values, lengths)
            except InterpError as error:
                subject.fail(str(error), "give one value per token, samples one after the other.")


def seeded(subject: CheckedObject) -> None:
    """Require the same text from two calls with one seed, and from two iterations of one call."""
    batches = first_batches(subject)
    for repeated in (first_batches(subject), batches):
        for one, other in zip(batches, repeated, strict=True):
            if any(not labels_equal(one.labels[name], other.labels[name]) for name in one.labels):
                subject.fail("two calls with one seed give different text.", "draw from np.random.default_rng(seed).")


def labels_equal(one: Any, other: Any) -> bool:
    """Return whether labels are equal, flat or one sequence per sample."""
    return [np.asarray(row).tolist() for row in one] == [np.asarray(row).tolist() for row in other]


def limited(subject: CheckedObject) -> None:
    """Require at most ``limit`` samples."""
    samples = sum(len(batch.lengths or []) for batch in first_batches(subject, limit=5))
    if samples > 5:
        subject.fail(f"with limit=5 it gives {samples} samples.", "stop after limit samples.")


def closed_alphabet(subject: CheckedObject) -> None:
    """Require one decoded symbol of the network's alphabet per token."""
    from interp.api.loading import load_model

    if "model" not in subject.fixed_options:
        raise NotApplicable("no model of the task is named. Pass check_plugin_test(…, options={task: {'model': …}}).")
    task, model = build_task(subject), load_model(subject.fixed_options["model"])
    alphabet = set(next(iter(model.symbols.values())))  # type: ignore[operator]
    for batch in first_batches(subject):
        for symbols, length in zip(task.decode(model(*batch.inputs), batch), batch.lengths, strict=True):
            if len(symbols) != length or not set(symbols) <= alphabet:
                subject.fail(
                    "it decodes unknown symbols, or a wrong number of them.", "decode one output symbol per token."
                )


MODEL_RULES = {"loads": loads, "recurrent": recurrent}
ADAPTER_RULES = {"exact": exact}
TASK_RULES = {"aligned": aligned, "seeded": seeded, "limited": limited, "closed-alphabet": closed_alphabet}
