"""Synthetic results of causal probes, for tests of viewers."""

import json

import numpy as np
import xarray as xr

RESULT = {"schema": "interp.result", "model": "made-up-bilstm", "task": "transliteration"}


def attributed(acts, letter="t", seed=3):
    """Return attributions of all tokens with input ``letter``: noise that decays with distance, NaN past the end."""
    rows = np.flatnonzero(acts["input"].values == letter)
    samples, steps = acts["sample"].values, acts["step"].values
    length = np.array([steps[samples == sample].max() + 1 for sample in range(samples.max() + 1)])
    source_step = np.arange(length.max())
    offset = source_step[None] - steps[rows][:, None]
    values = np.random.default_rng(seed).normal(size=offset.shape) * np.exp(-np.abs(offset - 1) / 1.5)
    values[source_step[None] >= length[samples[rows]][:, None]] = np.nan
    labels = {name: coord[rows] for name, coord in acts.coords.items() if coord.dims == ("token",)}
    data = {
        "attribution": (("token", "source_step"), values),
        "convergence_delta": ("token", np.full(rows.size, -0.004)),
    }
    options = {"method": "IntegratedGradients", "target": "output", "baseline": "zero", "contrast_with": None}
    attrs = {**RESULT, "probe": "attribution", "options": json.dumps(options)}
    return xr.Dataset(data, labels | {"source_step": source_step}, attrs)


def curves(n=40, orders=50, whole=8.0, tokens=400, sources=90, seed=4):
    """Return ablation curves: the ranking reaches 80 % with a tenth of the units; random orders are linear in k."""
    k, generator = np.arange(n + 1), np.random.default_rng(seed)
    removed = whole * (1 - np.exp(-k / n * 16.1))
    removed[-1] = whole
    linear = whole * k[:, None] / n + generator.normal(0, 0.6, (n + 1, orders)) * (k * (n - k) / n**2)[:, None]
    data = {}
    for name, line, random in (("removed", removed, linear), ("kept", whole - removed, whole - linear)):
        data |= {name: ("k", line), f"{name}_ci_low": ("k", line - 0.4), f"{name}_ci_high": ("k", line + 0.4)}
        data |= {f"{name}_order": (("k", "order"), random)}
        data |= {f"{name}_random": ("k", random.mean(1)), f"area_{name}": 0.4} if orders else {}
    k80 = int(np.flatnonzero(removed >= 0.8 * whole)[0])
    data |= {"whole": whole, "k80": k80, "tokens": tokens, "sources": sources}
    options = {
        "pair": "t=>ծ", "replace_with": "resample", "n_draws": 8, "n_random_orders": orders, "ranking": ["a"] * n,
    }  # fmt: skip
    return xr.Dataset(data, {"k": k}, {**RESULT, "probe": "ablation-curve", "options": json.dumps(options)})
