# %% [markdown]
# # A probe of your own
#
# A probe is a function that takes a dataset and returns a dataset. A reducer is a probe in steps, for data that does
# not fit in memory.

# %%
import numpy as np
import xarray as xr

import interp

model = interp.load_model("armenian-bilstm")
task = interp.load_task("transliteration", language="hy")
batches = task.batches("demo", limit=200, seed=0)
acts = interp.capture(model, batches, modules=["lstm"], quantities=["h", "f"], progress=False)

# %% [markdown]
# ## A function
#
# This probe measures how a unit changes at the first letter of a word. Options are keyword-only and have defaults.
# `requires` names the labels that the probe reads, so that an error can say which one is missing. The first paragraph
# of the docstring becomes part of the methods text.


# %%
@interp.probe(requires=("input",))
def onset(acts: xr.Dataset, *, space: str = " ") -> xr.Dataset:
    """Mean activation at the first letter of a word, minus the mean elsewhere: (unit,)."""
    letters, steps = acts.input.values, acts.step.values
    first = (letters != space) & ((steps == 0) | (np.roll(letters, 1) == space))
    gap = acts.activation.isel(token=first).mean("token") - acts.activation.isel(token=~first).mean("token")
    return gap.to_dataset(name="onset")


result = interp.measure(onset, acts)
print(result.onset.to_series().abs().nlargest(3).round(2).to_string())
print(interp.methods_text(result))

# %% [markdown]
# As a control, measure random directions of the same layer: if they reach the same values, the result is not evidence
# about single units.

# %%
rotated = interp.measure(onset, acts, basis="rotated", basis_seed=0)
print(f"largest onset: {float(abs(result.onset).max()):.2f}; rotated {float(abs(rotated.onset).max()):.2f}")

# %% [markdown]
# ## A reducer
#
# This reducer measures for how many steps in a row a forget gate stays open, on average. The result for a text is
# computed from the states of its parts. A state is a dict of arrays: `init_state` returns an empty one, `update` adds a
# chunk of whole samples, `merge` combines two states, and `finalize` returns the result. Any split into chunks must
# give the same result; this one does, because the state contains sums.
#
# The result of a unit depends on that unit alone (`per_unit`), so `measure` may process the units in blocks.


# %%
class OpenRuns(interp.Reducer):
    """Mean number of steps in a row that a unit stays above a threshold: (unit,)."""

    name, per_unit = "open-runs", True

    def __init__(self, *, threshold: float = 0.9) -> None:
        self.threshold = threshold

    def init_state(self, units):
        return {name: np.zeros(units.sizes["unit"], np.int64) for name in ("steps", "runs")}

    def update(self, state, chunk):
        above = chunk.activation.values > self.threshold
        begins = np.diff(chunk["sample"].values, prepend=-1) != 0  # a run ends with its sample
        before = np.roll(above, 1, axis=0) & ~begins[:, None]
        state["steps"] += above.sum(axis=0)
        state["runs"] += (above & ~before).sum(axis=0)
        return state

    def merge(self, a, b):
        return {name: a[name] + b[name] for name in a}

    def finalize(self, state):
        length = np.where(state["runs"], state["steps"] / np.maximum(state["runs"], 1), np.nan)
        return xr.Dataset({"length": ("unit", length), "runs": ("unit", state["runs"])})


gates = interp.select(acts, quantity="f")
runs = interp.measure(OpenRuns, gates, threshold=0.9)
print(interp.to_dataframe(runs).nlargest(3, "length")[["unit", "length", "runs"]].round(1).to_string(index=False))

# %% [markdown]
# The same class on a stream: the model runs, and no activations are stored.

# %%
stream = interp.stream(model, batches, modules=["lstm"], quantities=["f"], progress=False)
streamed = interp.measure(OpenRuns, stream, threshold=0.9)
print("the stream gives the same:", bool((streamed.runs == runs.runs).all()))

# %% [markdown]
# With a hook and a few lines of packaging (see `plugins/README.md`), both work by name, on the command line too:
#
# ```sh
# interp measure open-runs acts.zarr --threshold 0.8 --output runs.zarr
# ```
#
# In a notebook, register them until Python exits:


# %%
class Plugin:
    @interp.hookimpl
    def register_probes(self, register):
        register(onset)
        register(OpenRuns)


interp.register(Plugin())
print(", ".join(name for name, owner in interp.probes().items() if owner == "Plugin"))
