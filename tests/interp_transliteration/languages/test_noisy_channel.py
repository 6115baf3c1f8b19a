"""The noisy channel against the rule sets that it inverts."""

import itertools
from math import exp

import pytest

from interp_transliteration.languages.noisy_channel import NoisyChannel
from interp_transliteration.languages.pack import load_pack

PACK = load_pack("hy")


def test_the_channel_inverts_the_rules():
    """For each style and position, the probabilities of `options` are those of the rule set."""
    rules = PACK.rule_set("chat")
    channel = NoisyChannel(PACK, [rules])
    assert [(style.lower_case, style.share) for style in channel.styles] == [(False, 0.65), (True, 0.35)]
    for unit, starts in itertools.product(PACK.units, (True, False)):
        code = PACK.outputs.index(unit)
        for latin, share in rules.spellings(unit, starts_word=starts).items():
            (option,) = (one for one in channel.options(latin, 0) if one.code == code and one.length == len(latin))
            assert exp(option.log_probs[0 if starts else 1]) == pytest.approx(share)
            assert option.continues_word
            if latin == latin.lower():
                same = sum(
                    p for other, p in rules.spellings(unit, starts_word=starts).items() if other.lower() == latin
                )
                assert exp(option.log_probs[2 if starts else 3]) == pytest.approx(same)
                both = 0.65 * share + 0.35 * same
                assert exp(option.log_probs[-2 if starts else -1]) == pytest.approx(both)


@pytest.mark.parametrize(
    ("typed", "symbol", "continues_word"),
    [
        ("a", "ա", 1),
        ("a", "a", 1),
        ("՞", "՞", 1),
        (" ", " ", 0),
        ("-", "-", 0),
        ("5", "5", 0),
        ("я", "#", 1),
        ("🙂", "#", 0),
    ],
)
def test_a_word_continues_after_letters_and_marks(typed, symbol, continues_word):
    options = NoisyChannel(PACK, [PACK.rule_set("article")]).options(typed, 0)
    assert [option.continues_word for option in options if PACK.outputs[option.code] == symbol] == [continues_word]


def test_only_letters_of_the_script_lose_their_capitals():
    channel = NoisyChannel(PACK, [PACK.rule_set("chat")])
    assert {PACK.outputs[option.code] for option in channel.options("d", 0)} == {"դ", "Դ", "ձ", "Ձ", "d"}
    (latin,) = (option for option in channel.options("D", 0) if PACK.outputs[option.code] == "D")
    assert set(latin.log_probs) == {0}
