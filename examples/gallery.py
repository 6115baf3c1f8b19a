"""Draw every built-in view for the shipped network: ``python examples/gallery.py [FOLDER]``.

Writes ``NAME.html``, ``NAME.png`` and ``NAME.svg`` for each view, and ``index.html`` with all of them.
"""

import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

import interp

PAIR, SYMBOLS = "t=>ծ", ["_", "ծ", "ց", "տ", "թ"]
STYLE = """
body {font: 16px/1.5 "DejaVu Sans", "Noto Sans", sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem}
body {background: #fff; color: #16182d} a {color: #1b4a9c} img {max-width: 100%; height: auto; border: 1px solid #ccd}
h2 {margin: 3rem 0 .2rem} p {margin: .2rem 0 .8rem}
"""


def views() -> Iterator[tuple[str, interp.View]]:
    """Yield each view with its name, from one capture of the demo text."""
    model, task = interp.load_model("armenian-bilstm"), interp.load_task("transliteration")
    batches = task.batches("demo", limit=900, seed=0)
    acts = interp.capture(model, batches, progress=False)
    outputs = interp.select(acts, module=["lstm", "hidden"], quantity=["h", "out"])
    dist = interp.measure("hellinger", outputs, min_tokens=100)
    distance = dist.distance.sel(pair=PAIR)
    backward = str(distance.where((dist.direction == "backward") & (dist.quantity == "h")).idxmax().item())
    hidden = distance.where(dist.module == "hidden").to_series().dropna().sort_values(ascending=False).index.tolist()
    yield "overview", interp.draw("overview", dist)
    gates = interp.measure("hellinger", interp.select(acts, input="t"), pairs=[PAIR], min_tokens=100)
    yield "layered-graph", interp.draw("layered-graph", acts, gates, model=model, pair=("t", "ծ"))
    yield "cell-strips", interp.draw("cell-strips", acts, units=[backward, *hidden[:2]])
    yield "histogram-pair", interp.draw("histogram-pair", acts, dist, unit=backward, pair=PAIR)
    yield "top-pairs", interp.draw("top-pairs", dist, unit=backward)
    contexts = interp.measure("top-contexts", interp.select(acts, unit=[backward]))
    yield "unit-card", interp.draw("unit-card", acts, dist, contexts, unit=backward, pair=PAIR, model=model)
    yield "saturation-map", interp.draw("saturation-map", interp.measure("saturation", acts))
    yield "hypothesis", interp.draw("hypothesis", suffix_hypothesis(interp.select(acts, quantity="h")))
    random_model = interp.load_model("armenian-bilstm", random_init=0)
    untrained = interp.capture(random_model, batches, quantities=["h"], progress=False)
    untrained = untrained.assign_attrs(model="the same, untrained")
    untrained_dist = interp.measure("hellinger", untrained)
    yield "compare", interp.draw("compare", interp.select(acts, quantity="h"), untrained, dist, untrained_dist)
    yield from causal_views(model, task.batches("demo", limit=300, seed=0), backward, hidden)


def suffix_hypothesis(acts):
    """Return the places where the units that are active through a ``tyun`` are active together again."""
    word = interp.select(acts, input="y", output="յ")
    for sample, step in zip(word["sample"].values.tolist(), word["step"].values.tolist(), strict=True):
        text = interp.select(acts, sample=sample)["input"].values
        if "".join(text[step - 1 : step + 3]) == "tyun":
            return interp.measure("hypothesis", acts, span=(sample, step - 1, step + 2), regex="tyun")
    raise SystemExit("The text contains no tyun; increase the limit of the batches.")


def causal_views(model, batches, unit, ranking) -> Iterator[tuple[str, interp.View]]:
    """Yield the views of interventions, from fewer samples: attributions run the network many times per token."""
    acts = interp.capture(model, batches, quantities=["h", "out"], progress=False)
    held_out = interp.split_by_source(interp.select(acts, input="t"))[1]
    curve = interp.measure("ablation-curve", held_out, model=model, ranking=ranking, pair=PAIR)
    yield "ablation-curves", interp.draw("ablation-curves", curve)
    tokens = interp.select(held_out, output="ծ").isel(token=slice(16))
    options = {"n_baselines": 4, "method_options": {"n_steps": 12}, "contrast_with": SYMBOLS}
    attribution = interp.measure("attribution", tokens, model=model, batches=batches, **options)
    yield "context-reach", interp.draw("context-reach", attribution, max_offset=6)
    yield "attribution-strip", interp.draw("attribution-strip", acts, attribution, unit=unit)
    edits = [interp.Ablate({"unit": ranking[:10]}, at={"input": "t"}, donors=interp.select(acts, input="t"))]
    before, after = (interp.capture(model, batches, edits=change, modules=["output"]) for change in ([], edits))
    yield "before-after", interp.draw("before-after", before, after, samples=sorted(set(tokens["sample"].values))[:3])


def main() -> None:
    """Write all files to the folder."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "gallery")
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for name, view in views():
        for kind in ("html", "png", "svg"):
            view.save(folder / f"{name}.{kind}")
        links = " · ".join(f'<a href="{name}.{kind}">{kind}</a>' for kind in ("html", "png", "svg"))
        image = f'<a href="{name}.html"><img src="{name}.png" alt="{escape(view.summary)}" loading="lazy"></a>'
        parts.append(f'<h2 id="{name}">{name}</h2>\n<p>{escape(view.summary)} {links}</p>\n{image}')
    head = (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Views of interp</title><style>{STYLE}</style>'
    )
    page = f"{head}\n<h1>Views of interp</h1>\n" + "\n".join(parts) + "\n</html>\n"
    (folder / "index.html").write_text(page, encoding="utf-8")
    print(f"{len(parts)} views: {folder / 'index.html'}")


if __name__ == "__main__":
    main()
