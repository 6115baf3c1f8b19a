# %% [markdown]
# # Train with a penalty, and see what it did
#
# A penalty is added to the loss of a training, over the live activations of some units of any model with recurrent
# modules. `interp plugins` lists what there is to add. On the command line:
#
# ```sh
# interp train transliteration --corpus DIR --penalty l1=0.3,module=hidden --budget 1000 --output weights.safetensors
# ```
#
# Here the shipped network is trained for a few more batches, each time from the same weights on the same batches, so
# that a difference is the penalty's. The text is the small one that is shipped: enough to see it move, not to judge.

# %%
from importlib.resources import files

import torch

import interp

corpus = files("interp_transliteration") / "data/demo-hy.txt"
task = interp.load_task("transliteration", corpus=corpus, rules="article")
held_out = [batch for split in ("validation", "test") for batch in task.batches(split, seed=0)]
hidden = {"units": {"module": "hidden"}}

# %% [markdown]
# ## A penalty of your own
#
# One method: from the values of the units, `(token, unit)`, to a scalar. This one asks that few units speak at a time:
# the logarithm of how many do, if each counts by the square of its value. A plugin registers it under its name;
# `interp.train` also takes it as it is.


# %%
class FewSpeak(interp.Penalty):
    """The entropy of the shares that units have in the squares of a token, in nats; 0 to ln(units)."""

    name = "few-speak"

    def __init__(self, *, units: object = None) -> None:
        self.units = units

    def loss(self, live: interp.PenaltyInputs, labels: object) -> torch.Tensor:
        """Return the mean over tokens."""
        share = live.values**2 / (live.values**2).sum(1, keepdim=True)
        return -torch.xlogy(share, share).sum(1).mean()


# %% [markdown]
# ## Trained with one, with the other, with none

# %%
arms = {
    "none": [],
    "l1": [("l1", 1.0, hidden)],
    "few-speak": [(FewSpeak(**hidden), 1.0)],
}
networks = {}
for name, penalties in arms.items():
    networks[name] = interp.load_model("armenian-bilstm")
    told = interp.train(
        networks[name], task, seed=1, budget=16, penalties=penalties, learning_rate=1e-3, progress=False
    )
    print(f"{name:>10}: loss of the task {float(told.loss[-1]):.3f}", end="")
    print(f", of the penalty {told.penalty[0, 0]:.2f} to {told.penalty[-1, 0]:.2f}" if penalties else "")

# %% [markdown]
# ## Did it do what it says, and are units easier to read?
#
# On text that neither saw. Each measure of readability stands beside its value in a random rotation of the same units:
# what is as high there says nothing of single units. The study in
# `models/interp_models/study` does this with five seeds.

# %%
options = {"rotations": 1, "minimum": 30, "minimum_sources": 10}
acts = {
    name: interp.capture(network, held_out, modules=["hidden"], progress=False) for name, network in networks.items()
}
for name, held in acts.items():
    found = interp.measure("readability", held, **options)
    size, gap = float(abs(held.activation).mean()), found.mig.values.round(3)
    print(f"{name:>10}: mean of abs {size:.2f}, MIG {gap[0]} / {gap[1]}, {int(found.dead)} units are dead")
print(interp.methods_text(found))
