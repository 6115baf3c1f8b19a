# %% [markdown]
# # Look at a capture in a browser
#
# One command opens a capture and the results measured on it. All views follow the selection. The URL of the page
# contains the selection, so that you can send it to somebody.
#
# ```sh
# interp capture armenian-bilstm --limit 1000 --output acts.zarr
# interp measure hellinger acts.zarr --min-tokens 100 --output distances.zarr
# interp serve acts.zarr distances.zarr --model armenian-bilstm
# ```
#
# In a notebook the same dashboard is an object. This is a small capture for it.

# %%
import interp
from interp_dashboard import Notes, board

model = interp.load_model("armenian-bilstm")
task = interp.load_task("transliteration", language="hy")
acts = interp.capture(model, task.batches("demo", limit=200, seed=0), quantities=["h", "f"], progress=False)
dist = interp.measure("hellinger", acts, estimator="raw", bins=20, min_tokens=100)

# %% [markdown]
# A `Selection` has a pair, a unit, a span of text, a typed sentence and edits. The dashboard follows it when code
# changes it, and a click in the dashboard changes it here.

# %%
selection = interp.Selection(pair=str(dist.pair[0].values))
dashboard = board(acts, dist, model=model, selection=selection, notes=Notes("acts.notes.json"))
dashboard  # noqa: B018 (a notebook displays the value of the last line of a cell)

# %%
ranking = interp.select(dist, quantity="h").distance.sel(pair=selection.pair).to_series().sort_values(ascending=False)
selection.unit = str(ranking.index[0])
print(f"{selection.pair}: {selection.unit} at {ranking.iloc[0]:.2f}")

# %% [markdown]
# Any code can watch the selection, not only views.

# %%
changes = []
watcher = selection.param.watch(
    lambda *events: changes.append([event.name for event in events]), interp.Selection.names()
)
selection.param.update(unit=str(ranking.index[1]), sample=3)
print("changed:", sorted(changes[0]))
selection.param.unwatch(watcher)

# %% [markdown]
# Type a sentence, and set a unit to zero: the dashboard draws the outputs with and without this edit.

# %%
selection.param.update(text="hayeren", edits=[{"unit": selection.unit, "to": "zero"}])
print(selection.query())

# %% [markdown]
# Save the selection to a small file, and start with it: `interp serve … --state state.json`.

# %%
print(selection.to_json())
restored = interp.Selection()
restored.from_json(selection.to_json())
print("equal after restoring:", restored.state() == selection.state())

# %% [markdown]
# ## Names and notes
#
# Names and notes of units are saved beside the store, in `acts.notes.json`. Several people may write at once; older
# notes are kept.

# %%
notes = Notes("acts.notes.json")
notes.write(selection.unit, "my first unit", "separates the pair")
print(notes.read()[selection.unit]["name"])
