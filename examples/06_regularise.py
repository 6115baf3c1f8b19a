# %% [markdown]
# # Train with a penalty, and measure what it changed
#
# A penalty is a term of the training loss that depends on the activations of some units, in any model with recurrent
# modules. `interp plugins` lists the available ones. On the command line:
#
# ```sh
# interp train transliteration --corpus DIR --penalty l1=0.3,module=hidden --budget 1000 --output weights.safetensors
# ```
#
# Here the shipped network is trained for a few more batches with different penalties, each time from the same weights
# on the same batches. So the differences are due to the penalties. The shipped demo text is enough to show that they
# have an effect, but too small for conclusions.

# %%
from importlib.resources import files

import torch

import interp

corpus = files("interp_transliteration") / "data/demo-hy.txt"
task = interp.load_task("transliteration", corpus=corpus, rules="article")
held_out = [batch for split in ("validation", "test") for batch in task.batches(split, seed=0)]
hidden = {"units": {"module": "hidden"}}

# %% [markdown]
# ## A custom penalty
#
# A penalty has one method: it takes the values of the units, `(token, unit)`, and returns a scalar. This one is low if
# few units are active at a time: it is the logarithm of the effective number of active units, weighted by the squares
# of their values. A plugin registers a penalty under its name; `interp.train` also takes an instance.


# %%
class FewActive(interp.Penalty):
    """Entropy of the shares of units in the sum of squares of a token, in nats; 0 to ln(units)."""

    name = "few-active"

    def __init__(self, *, units: object = None) -> None:
        self.units = units

    def loss(self, live: interp.PenaltyInputs, labels: object) -> torch.Tensor:
        """Return the mean over tokens."""
        share = live.values**2 / (live.values**2).sum(1, keepdim=True)
        return -torch.xlogy(share, share).sum(1).mean()


# %% [markdown]
# ## Train with no penalty, `l1`, and the custom penalty

# %%
arms = {
    "none": [],
    "l1": [("l1", 1.0, hidden)],
    "few-active": [(FewActive(**hidden), 1.0)],
}
networks = {}
for name, penalties in arms.items():
    networks[name] = interp.load_model("armenian-bilstm")
    history = interp.train(
        networks[name], task, seed=1, budget=16, penalties=penalties, learning_rate=1e-3, progress=False
    )
    print(f"{name:>10}: task loss {float(history.loss[-1]):.3f}", end="")
    print(f", penalty {history.penalty[0, 0]:.2f} to {history.penalty[-1, 0]:.2f}" if penalties else "")

# %% [markdown]
# ## Did the penalty work, and are units easier to read?
#
# Measure on held-out text. Each measure of readability is reported beside its value in a random rotation of the same
# units, because a score that a random rotation also reaches is not evidence about single units. The study in
# `examples/study` does this with five seeds; its results are in `models/interp_models/study`.

# %%
options = {"n_rotations": 1, "min_tokens": 30, "min_sources": 10}
acts = {
    name: interp.capture(network, held_out, modules=["hidden"], progress=False) for name, network in networks.items()
}
for name, activations in acts.items():
    result = interp.measure("readability", activations, **options)
    size, gap = float(abs(activations.activation).mean()), result.mig.values.round(3)
    print(f"{name:>10}: mean absolute activation {size:.2f}, MIG {gap[0]} / {gap[1]}, dead units {int(result.dead)}")
print(interp.methods_text(result))
