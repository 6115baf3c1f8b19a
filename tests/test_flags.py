"""Command-line options: parsed by annotation and default; wrong values give a clear error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature

import pytest

import interp
from interp.flags import labels_from, split_flags


def probe(
    acts,
    *,
    minimum: int = 300,
    share: float = 0.5,
    mode: str = "honest",
    article: bool = False,
    labels: Sequence[str] = ("input", "output"),
    pairs: Sequence[str] | None = None,
    sizes: tuple[int, ...] = (),
    where: Mapping[str, object] | None = None,
    seed: int | None = None,
    given: str | Sequence[str] = (),
    plain=3,
    free=None,
):
    """Probe with an option of every type."""


def unannotated_probe(acts, *, minimum=300, pairs=("a",), on=False):
    """Probe without annotations."""


def read(*words, called=probe):
    return split_flags(words, signature(called).parameters)[1]


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["--minimum", "20"], {"minimum": 20}),
        (["--minimum=20"], {"minimum": 20}),
        (["--share", ".25"], {"share": 0.25}),
        (["--mode", "article"], {"mode": "article"}),
        (["--article"], {"article": True}),
        (["--no-article"], {"article": False}),
        (["--article=false"], {"article": False}),
        (["--labels", "input,predicted"], {"labels": ["input", "predicted"]}),
        (["--labels", "input", "--labels", "output"], {"labels": ["input", "output"]}),
        (["--pairs", "t=>ծ"], {"pairs": ["t=>ծ"]}),
        (["--pairs", '[",=>,"]'], {"pairs": [",=>,"]}),
        (["--pairs", ",=>,", "--pairs", "t=>ծ"], {"pairs": [",=>,", "t=>ծ"]}),
        (["--sizes", "3,4"], {"sizes": [3, 4]}),
        (["--where", "input=t", "--where", "step=0:3"], {"where": {"input": "t", "step": slice(0, 3)}}),
        (["--seed", "none"], {"seed": None}),
        (["--seed", "-7"], {"seed": -7}),
        (["--given", "input"], {"given": "input"}),
        (["--given", "input,step"], {"given": ["input", "step"]}),
        (["--plain", "4"], {"plain": 4}),
        (["--free", "4"], {"free": "4"}),
        (["--unknown", "4"], {"unknown": "4"}),
    ],
)
def test_words_are_parsed_to_options(words, options):
    parsed = read(*words)
    assert parsed == options
    assert [type(value) for value in parsed.values()] == [type(value) for value in options.values()]


def test_defaults_replace_missing_annotations():
    assert read("--minimum", "5", "--pairs", "a,b", "--on", called=unannotated_probe) == {
        "minimum": 5,
        "pairs": ["a", "b"],
        "on": True,
    }


def test_annotations_that_are_types():
    def evaluated(acts, *, n=1, many=()):
        """Function whose annotations are types."""

    evaluated.__annotations__ = {"n": int | None, "many": Sequence[int]}
    assert read("--n", "4", "--many", "1,2", called=evaluated) == {"n": 4, "many": [1, 2]}


def test_positional_words_keep_their_order():
    rest, options = split_flags(
        ["a.zarr", "--article", "b.zarr", "--minimum", "3", "c.zarr"], signature(probe).parameters
    )
    assert rest == ["a.zarr", "b.zarr", "c.zarr"]
    assert options == {"article": True, "minimum": 3}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--minimum", "many"], "--minimum takes int; got 'many'"),
        (["--minimum"], "--minimum needs a value"),
        (["--minimum", "1", "--minimum", "2"], "takes one value; got 1, 2"),
        (["--sizes", "3,x"], "--sizes takes int; got 'x'"),
        (["--where", "t"], "--where takes LABEL=VALUE"),
        (["--pairs", "[t"], "JSON list"),
        (["--article=maybe"], "--article takes bool; got 'maybe'"),
    ],
)
def test_unparsable_values_are_errors(words, sentence):
    with pytest.raises(interp.OptionError, match=sentence):
        read(*words)


def test_label_filters():
    assert labels_from(["input=t", "input=s", "output==", "sample=3"]) == {
        "input": ["t", "s"],
        "output": "=",
        "sample": 3,
    }
    assert labels_from(["step=:4"]) == {"step": slice(None, 4)}
    for wrong in (["step=x"], ["=t"], ["step=1:2", "step=4"]):
        with pytest.raises(interp.OptionError):
            labels_from(wrong)
