# %% [markdown]
# # Look at a capture in a browser
#
# One command opens a capture and what was measured on it. Every view follows what you click, and the address of the
# page holds what is chosen, so that it can be sent to somebody.
#
# ```sh
# interp capture armenian-bilstm --limit 1000 --output acts.zarr
# interp measure hellinger acts.zarr --minimum 100 --output distances.zarr
# interp serve acts.zarr distances.zarr --model armenian-bilstm
# ```
#
# In a notebook the same dashboard is an object. Here is a small capture to show.

# %%
import interp
from interp_dashboard import Notes, board

model = interp.load_model("armenian-bilstm")
task = interp.load_task("transliteration", language="hy")
acts = interp.capture(model, task.batches("demo", limit=200, seed=0), quantities=["h", "f"], progress=False)
dist = interp.measure("hellinger", acts, mode="article", bins=20, minimum=100)

# %% [markdown]
# A selection is what the reader chose: a pair, a unit, a span of text, a sentence of their own, edits. The dashboard
# follows it, whoever writes it, and a click in the dashboard is read here.

# %%
chosen = interp.Selection(pair=str(dist.pair[0].values))
shown = board(acts, dist, model=model, selection=chosen, notes=Notes("acts.notes.json"))
shown  # noqa: B018 (in a notebook the last line of a cell shows itself)

# %%
ranked = interp.select(dist, quantity="h").distance.sel(pair=chosen.pair).to_series().sort_values(ascending=False)
chosen.unit = str(ranked.index[0])
print(f"{chosen.pair}: {chosen.unit} at {ranked.iloc[0]:.2f}")

# %% [markdown]
# Anything can watch the selection, not only views.

# %%
seen = []
watcher = chosen.param.watch(lambda *events: seen.append([event.name for event in events]), interp.Selection.names())
chosen.param.update(unit=str(ranked.index[1]), sample=3)
print("told of", sorted(seen[0]))
chosen.param.unwatch(watcher)

# %% [markdown]
# A sentence of one's own, and what the network says without a unit. The dashboard draws both, from these values:

# %%
chosen.param.update(text="hayeren", edits=[{"unit": chosen.unit, "to": "zero"}])
print(chosen.query())

# %% [markdown]
# The state is a small file; `interp serve … --state state.json` begins with it.

# %%
print(chosen.to_json())
again = interp.Selection()
again.from_json(chosen.to_json())
print("the same:", again.state() == chosen.state())

# %% [markdown]
# ## Names and notes
#
# What you find out about a unit is kept beside the store, in `acts.notes.json`. Several people may write at once; an
# older note is kept under the newer one.

# %%
notes = Notes("acts.notes.json")
notes.write(chosen.unit, "my first unit", "tells the pair apart")
print(notes.read()[chosen.unit]["name"])
