# %% [markdown]
# # Units that separate two outputs
#
# A typed `t` may become ծ, թ, տ or nothing at all. If a unit encodes which, its activations where `t` becomes ծ have
# another distribution than its activations at the other `t`s. The Hellinger distance measures the difference of the two
# distributions: 0 if they are equal, 1 if they never overlap.

# %%
import interp

model = interp.load_model("armenian-bilstm")
task = interp.load_task("transliteration", language="hy")
batches = task.batches("demo", limit=400, seed=0)
acts = interp.capture(model, batches, where={"input": "t"}, quantities=["h", "c", "i", "f", "g", "o"], progress=False)
print(acts.sizes)

# %% [markdown]
# Not every pair of input and output has enough tokens. The tokens of one sentence, and several spellings of it, are not
# independent, so statistics count sources.

# %%
pairs = interp.to_dataframe(interp.measure("labels", acts))
print(pairs.sort_values("tokens", ascending=False).head(8).to_string(index=False))

# %% [markdown]
# One call measures every unit for every pair that has enough tokens. The result has the debiased distance, its interval
# over sources, and q from permuted sources. A unit is *selective* if q is below .01 and the interval starts at .2 or
# above.

# %%
dist = interp.measure("hellinger", acts, min_tokens=100)
print(dict(dist.sizes), dist.pair.values.tolist())

table = interp.to_dataframe(dist).query("pair == 't=>ծ'").sort_values("distance", ascending=False)
columns = ["unit", "distance", "ci_low", "ci_high", "auc", "q", "selective", "n_target", "sources_target"]
print(table[columns].head(10).to_string(index=False))

# %% [markdown]
# ## Controls: an untrained network and a rotated basis
#
# The same measure on a network with random weights, and on random directions of the same layer. A claim that single
# units learned something should hold against both.

# %%
random_model = interp.load_model("armenian-bilstm", random_init=0)
untrained = interp.capture(
    random_model, batches, where={"input": "t"}, quantities=["h", "c", "i", "f", "g", "o"], progress=False
)
results = {
    "trained": dist,
    "untrained": interp.measure("hellinger", untrained, min_tokens=100),
    "rotated": interp.measure("hellinger", acts, min_tokens=100, basis="rotated"),
}
for name, result in results.items():
    hidden = interp.select(result, module="lstm", quantity="h").distance.sel(pair="t=>ծ")
    top = {side: float(interp.select(hidden.to_dataset(), direction=side).distance.to_series().nlargest(10).mean())
           for side in ("backward", "forward")}  # fmt: skip
    print(f"{name}: mean of the ten largest, backward {top['backward']:.2f}, forward {top['forward']:.2f}")

# %% [markdown]
# The next letter decides what a `t` becomes, and only the backward direction has read it. That is so before any
# training.
#
# ## Contributions to the outputs
#
# The network need not use a unit that separates two outputs. Contributions are what a unit adds to each output: at the
# tokens of the pair, minus the other tokens with the same letter.

# %%
contributions = interp.measure("contributions", acts, model=model, pairs=["t=>ծ"], min_tokens=100)
to_output = contributions.contribution.isel(pair=0, upper_unit=(contributions.upper_symbol == "ծ").values).squeeze()
print(to_output.dropna("lower_unit").to_series().nlargest(5).round(2).to_string())

# %% [markdown]
# ## For a paper
#
# `methods_text` describes how a result was computed. `view.save("t.html")` writes a page that needs no network
# connection; `.svg` and `.png` files have the same picture.

# %%
print(interp.methods_text(dist))
view = interp.draw("layered-graph", acts, dist, model=model, pair=("t", "ծ"))
print(view.save("t.html").stat().st_size > 10_000)
interp.save(dist, "distances.zarr")
