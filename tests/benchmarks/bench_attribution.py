"""Speed of conductance for all units of a biLSTM at once, compared with Captum's NeuronConductance per unit.

``python tests/benchmarks/bench_attribution.py`` prints a Markdown table for one pair of the Armenian network: 200
samples, each with one real sentence as baseline, 50 nodes. Captum reads ``h`` through the fused kernel (behind a module
that drops the state), and gates through an unrolled loop in which each gate is a module. Ten units of each kind are
timed in the same run and extrapolated to all units, sample by sample on the same paths. With ``--captum-samples``
Captum explains fewer samples, and seconds refer to that number. Set OMP_NUM_THREADS to choose torch's threads.
"""

import argparse
import sys
import time

import numpy as np
import torch
from captum.attr import NeuronConductance
from torch import nn

import interp

GATES = ("i", "f", "g", "o", "c", "h")
COLUMNS = ("", "units", "samples", "seconds", "seconds for all units", "slower by", "largest difference", "of at most")


class OutputOnly(nn.Module):
    """LSTM that returns its output without the state."""

    def __init__(self, lstm):
        super().__init__()
        self.lstm = lstm

    def forward(self, x):
        return self.lstm(x)[0]


class Fused(nn.Module):
    """Network with the fused kernel; returns the logits of every step."""

    def __init__(self, model):
        super().__init__()
        self.model, self.h = model, OutputOnly(model.lstm)

    def forward(self, x):
        return self.model.output(torch.cat([self.model.hidden(self.h(x)), x], -1))


class Loop(nn.Module):
    """Network with an unrolled LSTM; the gates of one step are modules, which Captum can read."""

    def __init__(self, model, step):
        super().__init__()
        self.model, self.step = model, step
        self.taps = nn.ModuleDict(
            {f"{side} {gate}": nn.Identity() for side in ("forward", "backward") for gate in GATES}
        )

    def side(self, x, name):
        suffix = "_l0" + ("_reverse" if name == "backward" else "")
        w = {part: getattr(self.model.lstm, part + suffix) for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        inputs = nn.functional.linear(x, w["weight_ih"], w["bias_ih"] + w["bias_hh"])
        h, c, steps = *(x.new_zeros(len(x), 228) for _ in range(2)), range(x.shape[1])
        for step in reversed(steps) if name == "backward" else steps:
            tap = self.taps if step == self.step else None
            i, f, g, o = (inputs[:, step] + h @ w["weight_hh"].T).chunk(4, 1)
            i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
            if tap is not None:
                i, f, g, o = (tap[f"{name} {gate}"](value) for gate, value in zip("ifgo", (i, f, g, o), strict=True))
            c = f * c + i * g
            c = c if tap is None else tap[f"{name} c"](c)
            h = o * c.tanh()
            if tap is not None:
                return tap[f"{name} h"](h)  # later steps of this direction are not read
        raise ValueError(self.step)

    def forward(self, x):
        h = torch.cat([self.side(x, name) for name in ("forward", "backward")], -1)
        return self.model.output(torch.cat([self.model.hidden(h), x[:, self.step]], -1))


def fused(model, x, reference, step, column, names):
    """Return Captum's conductances of h of some units, through the fused kernel."""
    network = Fused(model)
    conductance = NeuronConductance(lambda rows: network(rows)[:, step, column], network.h)
    indices = [int(name.rpartition(".")[2]) + 228 * ("backward" in name) for name in names]
    return [summed(conductance, x, reference, (step, index)) for index in indices]


def loop(model, x, reference, step, column, names):
    """Return Captum's conductances of any units, through the unrolled loop."""
    network, values = Loop(model, step), []
    for name in names:
        _, _, side, gate, index = name.split(".")
        conductance = NeuronConductance(lambda rows: network(rows)[:, column], network.taps[f"{side} {gate}"])
        values.append(summed(conductance, x, reference, (int(index),)))
    return values


def summed(conductance, x, reference, neuron):
    """Return the conductance of a neuron, summed over the inputs."""
    return float(conductance.attribute(x, neuron, reference, n_steps=50, method="gausslegendre").sum())


def ten_units(names, quantities):
    """Return ten units of some quantities, evenly spaced."""
    candidates = [name for name in names if name.split(".")[3] in quantities]
    return [candidates[int(position)] for position in np.linspace(0, len(candidates) - 1, 10)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pair", default="t=>ծ")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--captum-samples", type=int, default=200)
    options = parser.parse_args()
    model, task = interp.load_model("armenian-bilstm"), interp.load_task("transliteration", language="hy")
    batches = list(task.batches("demo", limit=6 * options.samples, seed=0))
    letter, _, output = options.pair.partition("=>")
    where = {"input": letter, "output": output}
    acts = interp.capture(model, batches, quantities=[*GATES], progress=False, modules=["lstm"], where=where)
    first = np.unique(acts["sample"].values, return_index=True)[1]  # one token per sample
    acts = acts.isel(token=first[np.argsort(acts["source"].values[first], kind="stable")][: options.samples])
    settings = {"model": model, "batches": batches, "n_baselines": 1}
    interp.measure("unit-attribution", acts.isel(token=slice(2)), **settings)  # compile first
    start = time.perf_counter()
    result = interp.measure("unit-attribution", acts, **settings)
    seconds = time.perf_counter() - start
    names = [str(name) for name in acts["unit"].values]
    rows = [
        [
            "interp, all at once",
            f"{len(names):,}",
            str(acts.sizes["token"]),
            f"{seconds:.1f}",
            f"{seconds:.0f}",
            "1",
            "",
            "",
        ]
    ]
    part, per_sample = acts.isel(token=slice(options.captum_samples)), seconds / acts.sizes["token"]
    variants = (("Captum, h, fused kernel", fused, ("h",)), ("Captum, any gate, a loop", loop, GATES))
    for title, explain, quantities in variants:
        rows.append(timed(title, explain, ten_units(names, quantities), part, result, settings, per_sample))
    table = [COLUMNS, ["---"] * len(COLUMNS), *rows]
    sys.stdout.writelines(f"| {' | '.join(row)} |\n" for row in table)


def timed(title, explain, names, acts, result, settings, interp_seconds):
    """Return the table row of one Captum variant; ``interp_seconds`` is the time of interp per sample for all units."""
    from interp_attribution.baselines import make_baselines
    from interp_attribution.dataset import AttributionData

    data = AttributionData(acts, settings["model"], settings["batches"], "output", None, None, "")
    baselines = make_baselines(data.model, data.inputs, kind="samples", count=1)
    expected, seconds = np.full((acts.sizes["token"], len(names)), np.nan), 0.0
    for tokens in data.token_batches(baselines, 1):
        token, n, step = int(tokens.token[0]), int(tokens.lengths[0]), int(tokens.step[0])
        pair = tokens.x[:, :n], tokens.baseline[:, :n]
        start = time.perf_counter()
        expected[token] = explain(settings["model"], *pair, step, int(tokens.column[0]), names)
        seconds += time.perf_counter() - start
    actual = result.conductance.sel(unit=names).values[: len(expected)]
    all_units = seconds / len(names) * result.sizes["unit"]
    slower = all_units / len(expected) / interp_seconds
    return [title, str(len(names)), str(len(expected)), f"{seconds:.1f}", f"{all_units:,.0f}",
            f"{slower:,.0f}", f"{abs(actual - expected).max():.1e}", f"{abs(expected).max():.2f}"]  # fmt: skip


if __name__ == "__main__":
    main()
