"""The conformance kit: the built-in plugins pass it, and broken ones are caught by name."""

import interp

CHEAP = {"sentences": 2, "against": ["d", "z"], "toy_sources": 2}


def curve(world):
    return interp.measure("ablation-curve", world.acts, model=world.model, ranking=world.ranking, pair=world.pair)


def attributed(world):
    few = world.acts.isel(token=slice(40))
    told = {"options": {"n_steps": 4}, "sentences": 2, "against": ["d", "z"]}
    return interp.measure("attribution", few, model=world.model, batches=world.batches, **told)


def edited(world):
    edits = [interp.Ablate({"unit": world.ranking[:2]}, to="zero")]
    return interp.run(world.model, world.batches, edits, modules=["output"])


GIVEN = {
    "attribution": {"attribution": CHEAP | {"options": {"n_steps": 3}}, "unit-attribution": CHEAP | {"n_steps": 3}},
    "causal": {
        "ablation-effect": lambda world: {"groups": {"t=>d": world.ranking[:2]}, "controls": 9, "draws": 1},
        "ablation-curve": lambda world: {"ranking": world.ranking, "pair": world.pair, "orders": 0, "draws": 1},
        "activation-patching": lambda world: {"groups": {"all": world.ranking}, "pair": world.pair},
        "ablation-curves": lambda world: {"curve": curve(world)},
        "context-reach": lambda world: {"attribution": attributed(world)},
    },
    "classifier": {
        "classifier": {"controls": 0}
    },  # a control is fitted to labels at random: to no law, but to rounding
    "cell-strips": {
        "attribution-strip": lambda world: {"attribution": attributed(world)},
        "before-after": lambda world: {"edited": edited(world)},
    },
    "information": {"infogan": {"codes": 3}, "label-code": {"codes": 3}},
    "transliteration": {"transliteration": {"model": "armenian-bilstm"}},
    "units": {
        "probe hypothesis": {"span": (0, 2, 3), "share": 0.3},
        "viewer hypothesis": lambda world: {
            "found": interp.measure("hypothesis", world.acts, span=(0, 2, 3), share=0.3)
        },
    },
}
