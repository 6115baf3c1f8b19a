# %% [markdown]
# # Cause, not correlation
#
# A unit can encode what a letter becomes without any effect on the output. To measure the effect, ablate the units:
# remove the information that they have beyond the typed letter, and compare the outputs of the network.

# %%
import interp

model = interp.load_model("armenian-bilstm")
task = interp.load_task("transliteration", language="hy")
batches = task.batches("demo", limit=500, seed=0)
acts = interp.capture(model, batches, where={"input": "t"}, quantities=["h", "out"], progress=False)

# %% [markdown]
# Units are selected on one half of the sources and ablated on the other, because the largest of many values
# are overestimates on the data on which they were selected.

# %%
selection_half, held_out = interp.split_by_source(acts)
dist = interp.measure("hellinger", selection_half, pairs=["t=>ծ"], min_tokens=30, min_sources=20)
hidden = interp.select(dist, module="hidden").distance.sel(pair="t=>ծ").to_series()
ranking = hidden.sort_values(ascending=False).index.tolist()
print(hidden[ranking[:3]].round(2).to_string())

# %% [markdown]
# ## Ablate the ten units with the largest distance
#
# Each token gets the values of these units at a `t` of another sentence (the result is the mean over 8 draws). So the
# units keep their usual values and lose only the information about this `t`. The *effect* is the decrease of the
# log-odds of the correct letter, in nats. The controls are random groups of the same size; the *matched* ones also have
# similar activations.

# %%
effect = interp.measure(
    "ablation-effect", held_out, model=model, groups={"top ten": ranking[:10]}, pairs=["t=>ծ"], n_controls=99
)
table = interp.to_dataframe(effect[["effect", "ci_low", "ci_high", "specificity", "p", "tokens", "sources"]])
print(table.drop(columns=["pair_input", "pair_output"]).round(3).to_string(index=False))

# %% [markdown]
# The ablation curve removes units in the order of the ranking. `k80` is the number of units at which the effect reaches
# 80 % of that of the whole layer.

# %%
curve = interp.measure("ablation-curve", held_out, model=model, ranking=ranking, pair="t=>ծ")
print(f"80 % of the effect of all {len(ranking)} units needs the first {int(curve['k80'])}")
interp.draw("ablation-curves", curve).save("ablation-curves.png")

# %% [markdown]
# ## Attribution to the typed letters
#
# Integrated Gradients with 5 real sentences of the same length as baselines attributes the log-odds of ծ to the typed
# letters. The view shows the attribution by offset from the token. Since `ts` becomes ծ, the letter after the `t`
# should have the largest one.

# %%
tokens = interp.select(held_out, output="ծ").isel(token=slice(12))
outputs = sorted(set(acts.output.values.tolist()))
attribution = interp.measure(
    "attribution", tokens, model=model, batches=batches, n_baselines=5, contrast_with=outputs,
    method_options={"n_steps": 20},
)  # fmt: skip
strength = abs(attribution.attribution).groupby(attribution.offset).mean()
print(f"largest mean attribution at offset {int(strength.offset[int(strength.values.argmax())]):+d}")
print(f"largest convergence delta: {float(abs(attribution.convergence_delta).max()):.3f} nats")
interp.draw("context-reach", attribution, max_offset=6).save("context-reach.png")

# %% [markdown]
# ## Attribution to the gates
#
# Conductance of every gate of the backward LSTM at the token's own step, for all units at once.

# %%
gates = interp.measure(
    "unit-attribution", tokens, model=model, batches=batches, n_baselines=2, n_steps=20, contrast_with=outputs,
    units={"module": "lstm", "quantity": ["i", "f", "g", "o"], "direction": "backward"},
)  # fmt: skip
top = gates["mean"].to_series().abs().nlargest(3)
print(gates["mean"].sel(unit=top.index).to_series().round(3).to_string())

# %% [markdown]
# ## Outputs before and after the ablation
#
# Sentences in which `t` becomes ծ.

# %%
edits = [interp.Ablate({"unit": ranking[:10]}, at={"input": "t"}, donors=acts)]
before = interp.capture(model, batches, edits=[], modules=["output"])
after = interp.capture(model, batches, edits=edits, modules=["output"])
samples = sorted(set(interp.select(held_out, output="ծ").sample.values.tolist()))[:4]
view = interp.draw("before-after", before, after, samples=samples)
print(view.summary)
view.save("before-after.html")
