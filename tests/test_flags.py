"""Options from the command line: read by default and annotation, wrong ones refused in a sentence."""

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
    """A probe with an option of every kind."""


def real(acts, *, minimum=300, pairs=("a",), on=False):
    """A probe without annotations."""


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
        (["--stranger", "4"], {"stranger": "4"}),
    ],
)
def test_words_become_options(words, options):
    found = read(*words)
    assert found == options
    assert [type(value) for value in found.values()] == [type(value) for value in options.values()]


def test_without_annotations_the_default_tells():
    assert read("--minimum", "5", "--pairs", "a,b", "--on", called=real) == {
        "minimum": 5,
        "pairs": ["a", "b"],
        "on": True,
    }


def test_annotations_that_are_no_text():
    def evaluated(acts, *, n=1, many=()):
        """Its annotations are types."""

    evaluated.__annotations__ = {"n": int | None, "many": Sequence[int]}
    assert read("--n", "4", "--many", "1,2", called=evaluated) == {"n": 4, "many": [1, 2]}


def test_words_that_belong_to_no_flag_are_kept_in_order():
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
def test_what_cannot_be_read_is_a_sentence(words, sentence):
    with pytest.raises(interp.OptionError, match=sentence):
        read(*words)


def test_labels():
    assert labels_from(["input=t", "input=s", "output==", "sample=3"]) == {
        "input": ["t", "s"],
        "output": "=",
        "sample": 3,
    }
    assert labels_from(["step=:4"]) == {"step": slice(None, 4)}
    for wrong in (["step=x"], ["=t"], ["step=1:2", "step=4"]):
        with pytest.raises(interp.OptionError):
            labels_from(wrong)
