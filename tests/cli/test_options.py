"""Command-line options: parsed by annotation and default; wrong values give a clear error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature

import pytest

import interp
from interp.cli.options import parse_label_filters, split_flags


def probe(
    acts,
    *,
    min_tokens: int = 300,
    quantile: float = 0.5,
    estimator: str = "debiased",
    contrast: bool = False,
    labels: Sequence[str] = ("input", "output"),
    pairs: Sequence[str] | None = None,
    k_values: tuple[int, ...] = (),
    where: Mapping[str, object] | None = None,
    seed: int | None = None,
    strata: str | Sequence[str] = (),
    plain=3,
    free=None,
):
    """Probe with an option of every type."""


def unannotated_probe(acts, *, min_tokens=300, pairs=("a",), on=False):
    """Probe without annotations."""


def read(*words, called=probe):
    return split_flags(words, signature(called).parameters)[1]


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["--min-tokens", "20"], {"min_tokens": 20}),
        (["--min-tokens=20"], {"min_tokens": 20}),
        (["--quantile", ".25"], {"quantile": 0.25}),
        (["--estimator", "raw"], {"estimator": "raw"}),
        (["--contrast"], {"contrast": True}),
        (["--no-contrast"], {"contrast": False}),
        (["--contrast=false"], {"contrast": False}),
        (["--labels", "input,predicted"], {"labels": ["input", "predicted"]}),
        (["--labels", "input", "--labels", "output"], {"labels": ["input", "output"]}),
        (["--pairs", "t=>ծ"], {"pairs": ["t=>ծ"]}),
        (["--pairs", '[",=>,"]'], {"pairs": [",=>,"]}),
        (["--pairs", ",=>,", "--pairs", "t=>ծ"], {"pairs": [",=>,", "t=>ծ"]}),
        (["--k-values", "3,4"], {"k_values": [3, 4]}),
        (["--where", "input=t", "--where", "step=0:3"], {"where": {"input": "t", "step": slice(0, 3)}}),
        (["--seed", "none"], {"seed": None}),
        (["--seed", "-7"], {"seed": -7}),
        (["--strata", "input"], {"strata": "input"}),
        (["--strata", "input,step"], {"strata": ["input", "step"]}),
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
    assert read("--min-tokens", "5", "--pairs", "a,b", "--on", called=unannotated_probe) == {
        "min_tokens": 5,
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
        ["a.zarr", "--contrast", "b.zarr", "--min-tokens", "3", "c.zarr"], signature(probe).parameters
    )
    assert rest == ["a.zarr", "b.zarr", "c.zarr"]
    assert options == {"contrast": True, "min_tokens": 3}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--min-tokens", "many"], "--min-tokens takes int; got 'many'"),
        (["--min-tokens"], "--min-tokens needs a value"),
        (["--min-tokens", "1", "--min-tokens", "2"], "takes one value; got 1, 2"),
        (["--k-values", "3,x"], "--k-values takes int; got 'x'"),
        (["--where", "t"], "--where takes LABEL=VALUE"),
        (["--pairs", "[t"], "JSON list"),
        (["--contrast=maybe"], "--contrast takes bool; got 'maybe'"),
    ],
)
def test_unparsable_values_are_errors(words, sentence):
    with pytest.raises(interp.OptionError, match=sentence):
        read(*words)


def test_label_filters():
    assert parse_label_filters(["input=t", "input=s", "output==", "sample=3"]) == {
        "input": ["t", "s"],
        "output": "=",
        "sample": 3,
    }
    assert parse_label_filters(["step=:4"]) == {"step": slice(None, 4)}
    for wrong in (["step=x"], ["=t"], ["step=1:2", "step=4"]):
        with pytest.raises(interp.OptionError):
            parse_label_filters(wrong)
