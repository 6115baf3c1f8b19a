# %% [markdown]
# # Which units know what a letter becomes
#
# A typed `t` may become ծ, թ, տ or nothing at all. A unit that knows which has other activations where it becomes ծ
# than where it does not. The Hellinger distance between these two distributions says how much: 0 where they are the
# same, 1 where they never overlap.

# %%
import interp

model = interp.load_model("armenian-bilstm")
task = interp.load_task("transliteration", language="hy")
batches = task.batches("demo", limit=400, seed=0)
acts = interp.capture(model, batches, where={"input": "t"}, quantities=["h", "c", "i", "f", "g", "o"], progress=False)
print(acts.sizes)

# %% [markdown]
# Not every pair has enough tokens. Tokens of one sentence, and several spellings of it, are not independent: what
# counts are sources.

# %%
pairs = interp.to_dataframe(interp.measure("labels", acts))
print(pairs.sort_values("tokens", ascending=False).head(8).to_string(index=False))

# %% [markdown]
# One call measures every unit for every pair that has enough: a distance without bias, its interval over sources, and a
# q against shuffled sources. A unit *knows* where q is below .01 and the interval begins at .2 at least.

# %%
dist = interp.measure("hellinger", acts, minimum=100)
print(dict(dist.sizes), dist.pair.values.tolist())

table = interp.to_dataframe(dist).query("pair == 't=>ծ'").sort_values("distance", ascending=False)
print(
    table[["unit", "distance", "low", "high", "auc", "q", "knows", "n_with", "sources_with"]]
    .head(10)
    .to_string(index=False)
)

# %% [markdown]
# ## Is it the network, or would any network do?
#
# The same measure on a network that never learned anything, and on random directions of the same layer. A claim about
# single units that learned should hold against both.

# %%
fresh = interp.load_model("armenian-bilstm", random_init=0)
untrained = interp.capture(
    fresh, batches, where={"input": "t"}, quantities=["h", "c", "i", "f", "g", "o"], progress=False
)
controls = {
    "trained": dist,
    "untrained": interp.measure("hellinger", untrained, minimum=100),
    "rotated": interp.measure("hellinger", acts, minimum=100, basis="rotated"),
}
for name, result in controls.items():
    hidden = interp.select(result, module="lstm", quantity="h").distance.sel(pair="t=>ծ")
    top = {side: float(interp.select(hidden.to_dataset(), direction=side).distance.to_series().nlargest(10).mean())
           for side in ("backward", "forward")}  # fmt: skip
    print(f"{name}: mean of the ten best, backward {top['backward']:.2f}, forward {top['forward']:.2f}")

# %% [markdown]
# The next letter decides, and only the backward direction has seen it. That is so before any learning.
#
# ## What a unit gives to the output
#
# A unit that tells two outputs apart need not be used for it. Contributions say what it adds to each output, at the
# tokens of the pair against the other tokens of the letter.

# %%
edges = interp.measure("contributions", acts, model=model, pairs=["t=>ծ"], minimum=100)
up = edges.contribution.isel(pair=0, upper_unit=(edges.upper_symbol == "ծ").values).squeeze()
print(up.dropna("lower_unit").to_series().nlargest(5).round(2).to_string())

# %% [markdown]
# ## For a paper
#
# Every result says how it came about. `view.save("t.html")` writes a page without a network connection, and `.svg` and
# `.png` the same picture.

# %%
print(interp.methods_text(dist))
view = interp.draw("layered-graph", acts, dist, model=model, pair=("t", "ծ"))
print(view.save("t.html").stat().st_size > 10_000)
interp.save(dist, "distances.zarr")
