"""Plugins made on the spot, and how the conformance kit ends on them."""

import types

import numpy as np
import xarray as xr

import interp
from interp.testing import check


def plugin(**hooks):
    """Return a module with hooks that register these objects: ``probes=[…]``."""
    module = types.ModuleType("strange")
    for kind, objects in hooks.items():
        module.__dict__[f"register_{kind}"] = hook(f"register_{kind}", objects)
    return module


def hook(name, objects):
    def registering(register):
        for one in objects:
            register(one)

    registering.__name__ = name
    return interp.hookimpl(registering)


def failures(module, **options):
    return {one.check: one.told for one in check(module, **options) if one.state == "failed"}


def marked(function, **options):
    return interp.probe(name="strange", **options)(function)


def ordered(acts: xr.Dataset) -> xr.Dataset:
    """Mean of the first tokens there are: (unit,)."""
    return acts.activation[:10].mean("token").to_dataset(name="mean")


def by_place(acts: xr.Dataset) -> xr.Dataset:
    """Mean and the place of the column: (unit,)."""
    mean = acts.activation.mean("token")
    return (mean + np.arange(acts.sizes["unit"])).to_dataset(name="mean")
