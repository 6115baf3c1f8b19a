"""Plugins made from given objects, and the failures that the conformance kit reports for them."""

import types

import numpy as np
import xarray as xr

import interp
from interp.testing.api import check_plugin


def plugin(**hooks):
    """Return a module with hooks that register the given objects, as in ``probes=[…]``."""
    module = types.ModuleType("strange")
    for kind, objects in hooks.items():
        module.__dict__[f"register_{kind}"] = hook(f"register_{kind}", objects)
    return module


def hook(name, objects):
    def register_objects(register):
        for value in objects:
            register(value)

    register_objects.__name__ = name
    return interp.hookimpl(register_objects)


def failures(module, **options):
    return {outcome.check: outcome.message for outcome in check_plugin(module, **options) if outcome.state == "failed"}


def marked(function, **options):
    return interp.probe(name="strange", **options)(function)


def ordered(acts: xr.Dataset) -> xr.Dataset:
    """Return the mean over the first ten tokens: (unit,)."""
    return acts.activation[:10].mean("token").to_dataset(name="mean")


def by_place(acts: xr.Dataset) -> xr.Dataset:
    """Return the mean plus the position of the column: (unit,)."""
    mean = acts.activation.mean("token")
    return (mean + np.arange(acts.sizes["unit"])).to_dataset(name="mean")
