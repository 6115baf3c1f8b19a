"""Completion of a recording after its forward: buffered values and module outputs are written into the matrix."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from interp.capturing.plan import Block, Reading
from interp.capturing.recording import Recording
from interp.capturing.timeline import loose_rows, read_rows
from interp.capturing.tokens import Tokens
from interp.errors import CaptureError


def assemble(recording: Recording) -> None:
    """Complete a recording, so that every selected token has all its values.

    Raises
    ------
    CaptureError
        If modules have different time axes; the message lists the groups and what to type.
    """
    if recording.tokens is None:
        calls = call_lengths(recording)
        recording.know(calls.sum(0), calls if recording.plan.several else None)
    tokens, rows = recording.tokens, recording.rows
    assert tokens is not None and rows is not None  # noqa: S101, PT018
    check_groups(recording, tokens)
    for module_plan in recording.plan.readings:
        for block in module_plan.blocks:
            values = values_of(recording, module_plan, block, tokens)
            if values is not None:
                rows[:, block.start : block.stop] = values if block.picks is None else values[:, block.picks]


def values_of(recording: Recording, module_plan: Reading, block: Block, tokens: Tokens) -> Tensor | None:
    """Return the values ``(row, width)`` of a block, or None if the engine has written them already."""
    if module_plan.adapter is None:
        outputs = recording.outputs[module_plan.name]
        axes = recording.packing(sum(len(output) for output in outputs)) if module_plan.layout == "packed" else []
        return read_rows(outputs, module_plan.layout, tokens, axes)
    observers = recording.loose.get((module_plan.name, block.layer, block.direction))
    if not observers:
        return None
    values = torch.cat([observer.joined(block.quantity) for observer in observers])
    return values[loose_rows(recording.axes(module_plan), tokens)]


def call_lengths(recording: Recording) -> np.ndarray:
    """Return the number of steps of each sample in each call ``(call, sample)``, taken from the first module read."""
    batch_lengths = recording.piece.lengths
    for module_plan in recording.plan.readings:
        axes = recording.axes(module_plan)
        if module_plan.blocks and axes:
            lengths = np.stack([axis.lengths.numpy() for axis in axes])
            padded = batch_lengths is not None and all(batch_lengths.max() <= axis.steps and axis.even for axis in axes)
            total = batch_lengths is not None and np.array_equal(lengths.sum(0), batch_lengths)
            return np.stack([batch_lengths] * len(axes)) if padded and not total else lengths  # type: ignore[list-item]
    if batch_lengths is not None:
        return batch_lengths[None]
    for module_plan in recording.plan.readings:
        if module_plan.blocks and module_plan.name in recording.outputs:
            samples, steps = shape_of(recording.outputs[module_plan.name], module_plan.layout, recording)
            return np.full((1, samples), steps)
    raise CaptureError(
        "The model called none of the modules to read on these inputs; name modules that it calls in modules=."
    )


def shape_of(outputs: list[Tensor], layout: str, recording: Recording) -> tuple[int, int]:
    """Return the number of samples and steps of an output."""
    first = outputs[0]
    if layout in ("batch", "time"):
        shape = first.shape[:2] if layout == "batch" else first.shape[1::-1]
        return int(shape[0]), int(shape[1])
    if layout == "call":
        return first.shape[0], len(outputs)
    if layout == "single":
        return 1, first.shape[0]
    axes = recording.packing(len(first)) if layout == "packed" else []
    samples = axes[0].samples if axes else recording.piece.samples or 1
    return samples, axes[0].steps if axes else len(first) // samples


def check_groups(recording: Recording, tokens: Tokens) -> None:
    """Raise `CaptureError` if the modules read have different numbers of steps."""
    groups: dict[int, list[str]] = {}
    longest = int(tokens.lengths.max())
    allowed = {longest, recording.padded}
    for module_plan in recording.plan.readings:
        if not module_plan.blocks:
            continue
        for axis in recording.axes(module_plan):
            if axis.samples != tokens.lengths.size:
                raise CaptureError(
                    f"{module_plan.name!r} ran {axis.samples} samples, but the batch has {tokens.lengths.size}; "
                    "leave it out of modules=."
                )
        steps = steps_of(recording, module_plan)
        groups.setdefault(longest if steps in allowed and steps >= longest else steps, []).append(module_plan.name)
    if len(groups) > 1 or min(groups) < longest:
        lines = "".join(f"\n  {steps} steps: modules={names!r}" for steps, names in sorted(groups.items()))
        raise CaptureError(
            f"The modules do not share the time axis of up to {longest} tokens; capture one group at a time:{lines}"
        )


def steps_of(recording: Recording, module_plan: Reading) -> int:
    """Return the number of steps that a module ran, summed over its calls."""
    axes = recording.axes(module_plan)
    if axes:
        return sum(axis.steps for axis in axes)
    outputs = recording.outputs.get(module_plan.name, [])
    if not outputs:
        raise CaptureError(f"The model did not call {module_plan.name!r} on this batch; leave it out of modules=.")
    if module_plan.layout == "call":
        return len(outputs)
    if module_plan.layout == "packed":
        return sum(axis.steps for axis in recording.packing(sum(len(output) for output in outputs)))
    return sum(shape_of([output], module_plan.layout, recording)[1] for output in outputs)
