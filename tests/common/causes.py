"""Made-up results of causal probes, for views to draw."""

import json

import numpy as np
import xarray as xr

RESULT = {"schema": "interp.result", "model": "made-up-bilstm", "task": "transliteration"}


def attributed(acts, letter="t", seed=3):
    """Return attributions of all tokens with an input: noise that falls with the distance, NaN behind the end."""
    at = np.flatnonzero(acts["input"].values == letter)
    samples, steps = acts["sample"].values, acts["step"].values
    length = np.array([steps[samples == sample].max() + 1 for sample in range(samples.max() + 1)])
    source_step = np.arange(length.max())
    away = source_step[None] - steps[at][:, None]
    values = np.random.default_rng(seed).normal(size=away.shape) * np.exp(-np.abs(away - 1) / 1.5)
    values[source_step[None] >= length[samples[at]][:, None]] = np.nan
    labels = {name: coord[at] for name, coord in acts.coords.items() if coord.dims == ("token",)}
    data = {
        "attribution": (("token", "source_step"), values),
        "delta": ("token", np.full(at.size, -0.004)),
    }
    options = {"method": "IntegratedGradients", "target": "output", "baseline": "zero", "against": None}
    attrs = {**RESULT, "probe": "attribution", "options": json.dumps(options)}
    return xr.Dataset(data, labels | {"source_step": source_step}, attrs)


def curves(n=40, orders=50, whole=8.0, tokens=400, sources=90, seed=4):
    """Return curves of which the ranking has 80 % with a tenth of the units, and random orders are straight."""
    k, draw = np.arange(n + 1), np.random.default_rng(seed)
    removed = whole * (1 - np.exp(-k / n * 16.1))
    removed[-1] = whole
    straight = whole * k[:, None] / n + draw.normal(0, 0.6, (n + 1, orders)) * (k * (n - k) / n**2)[:, None]
    data = {}
    for name, line, random in (("removed", removed, straight), ("kept", whole - removed, whole - straight)):
        data |= {name: ("k", line), f"{name}_low": ("k", line - 0.4), f"{name}_high": ("k", line + 0.4)}
        data |= {f"{name}_order": (("k", "order"), random)}
        data |= {f"{name}_random": ("k", random.mean(1)), f"area_{name}": 0.4} if orders else {}
    k80 = int(np.flatnonzero(removed >= 0.8 * whole)[0])
    data |= {"whole": whole, "k80": k80, "tokens": tokens, "sources": sources}
    options = {"pair": "t=>ծ", "to": "resample", "draws": 8, "orders": orders, "ranking": ["a"] * n}
    return xr.Dataset(data, {"k": k}, {**RESULT, "probe": "ablation-curve", "options": json.dumps(options)})
