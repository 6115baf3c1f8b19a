# %% [markdown]
# # Cause, not correlation
#
# A unit that knows what a letter becomes need not be what makes it become that. So touch it: take from the best units
# what they know beyond the letter, and see what the network then says.

# %%
import interp

model = interp.load_model("armenian-bilstm")
task = interp.load_task("transliteration", language="hy")
batches = task.batches("demo", limit=500, seed=0)
acts = interp.capture(model, batches, where={"input": "t"}, quantities=["h", "out"], progress=False)

# %% [markdown]
# Units are chosen on one half of the sources and ablated on the other: the best of many look too good where they were
# found.

# %%
chosen_on, held_out = interp.split_by_source(acts)
dist = interp.measure("hellinger", chosen_on, pairs=["t=>ծ"], minimum=30, minimum_sources=20)
hidden = interp.select(dist, module="hidden").distance.sel(pair="t=>ծ").to_series()
ranking = hidden.sort_values(ascending=False).index.tolist()
print(hidden[ranking[:3]].round(2).to_string())

# %% [markdown]
# ## Ablate the ten best
#
# Each token gets the values of these units from a `t` of another sentence (the mean over 8 draws), so every unit keeps
# its usual values and loses only what it says about this `t`. *Effect* is by how many nats the log-odds of the right
# letter fall. Random groups of the same size say what any ten units would do; *matched* ones are as loud as these.

# %%
effect = interp.measure(
    "ablation-effect", held_out, model=model, groups={"ten best": ranking[:10]}, pairs=["t=>ծ"], controls=99
)
said = interp.to_dataframe(effect[["effect", "low", "high", "specificity", "p", "tokens", "sources"]])
print(said.drop(columns=["pair_input", "pair_output"]).round(3).to_string(index=False))

# %% [markdown]
# How many units does it take? Units are removed from the top, until the effect is 80 % of that of the whole layer.

# %%
curve = interp.measure("ablation-curve", held_out, model=model, ranking=ranking, pair="t=>ծ")
print(f"80 % of the effect of all {len(ranking)} units takes the best {int(curve['k80'])}")
interp.draw("ablation-curves", curve).save("ablation-curves.png")

# %% [markdown]
# ## Which letters made it
#
# Integrated Gradients from 5 real sentences of the same length: what each typed letter gives to the log-odds of ծ. The
# reach shows how far the network looked: `ts` becomes ծ, so the letter after the `t` must matter most.

# %%
some = interp.select(held_out, output="ծ").isel(token=slice(12))
letters = sorted(set(acts.output.values.tolist()))
cost = {"sentences": 5, "against": letters, "options": {"n_steps": 20}}
attribution = interp.measure("attribution", some, model=model, batches=batches, **cost)
strength = abs(attribution.attribution).groupby(attribution.offset).mean()
print(f"the letter that matters most is at offset {int(strength.offset[int(strength.values.argmax())]):+d}")
print(f"attributions miss the change of the output by {float(abs(attribution.delta).max()):.3f} nats at most")
interp.draw("context-reach", attribution, reach=6).save("context-reach.png")

# %% [markdown]
# ## Which gates made it
#
# Conductance of every gate of the backward LSTM at the token's own step, all units at once.

# %%
gates = interp.measure(
    "unit-attribution", some, model=model, batches=batches, sentences=2, n_steps=20, against=letters,
    units={"module": "lstm", "quantity": ["i", "f", "g", "o"], "direction": "backward"},
)  # fmt: skip
best = gates["mean"].to_series().abs().nlargest(3)
print(gates["mean"].sel(unit=best.index).to_series().round(3).to_string())

# %% [markdown]
# ## See it happen
#
# Sentences in which `t` becomes ծ, before and after.

# %%
edits = [interp.Ablate({"unit": ranking[:10]}, at={"input": "t"}, donors=acts)]
before = interp.capture(model, batches, edits=[], modules=["output"])
after = interp.capture(model, batches, edits=edits, modules=["output"])
shown = sorted(set(interp.select(held_out, output="ծ").sample.values.tolist()))[:4]
changed = interp.draw("before-after", before, after, samples=shown)
print(changed.summary)
changed.save("before-after.html")
