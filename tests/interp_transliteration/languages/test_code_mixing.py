"""Latin passages between the words of a text, from trained or held-out words, and words in capitals."""

from interp_transliteration.languages.code_mixing import (
    CodeMixer,
    add_capitals,
    extract_latin_words,
    load_latin_words,
)
from interp_transliteration.languages.pack import load_pack
from interp_transliteration.task import TransliterationTask

PACK = load_pack("hy")
TEXTS = TransliterationTask().sentences("demo")


def mixer(share):
    return CodeMixer(PACK, tuple(load_latin_words()), share)


def test_one_word_in_five_is_held_out_whatever_its_case(tmp_path):
    trained, held_out = load_latin_words(), load_latin_words(held_out=True)
    assert len(held_out) > 200
    assert 0.15 < len(held_out) / (len(held_out) + len(trained)) < 0.25
    assert not {word.lower() for word in trained} & {word.lower() for word in held_out}
    path = tmp_path / "words.txt"
    path.write_text("Alpha beta\nAlpha", encoding="utf-8")
    assert sorted(load_latin_words(path) + load_latin_words(path, held_out=True)) == ["Alpha", "beta"]


def test_words_of_a_corpus_join_without_those_held_out():
    held_out = load_latin_words(held_out=True)[0]
    words = extract_latin_words(
        [f"Սա Zebracross է {held_out} {held_out.upper()} XVIII abc Zebracross"], exclude=["known"]
    )
    assert words == [word for word in ["Zebracross"] if word.lower() != held_out.lower()]


def test_a_share_of_the_texts_gets_passages_between_its_words():
    texts = TEXTS * 3
    mixed = mixer(0.4).mix(texts, seed=1)
    assert mixed == mixer(0.4).mix(texts, seed=1)
    changed = [(a, b) for a, b in zip(texts, mixed, strict=True) if a != b]
    assert 0.33 < len(changed) / len(texts) < 0.47
    for text, longer in changed:
        rest = iter(longer.split(" "))
        assert all(word in rest for word in text.split(" ")), "the words are there in their order"
    assert mixer(0.0).mix(texts, seed=1) == texts


def test_training_and_measuring_see_different_words():
    train = TransliterationTask(latin_share=1.0).augment(TEXTS, "train", seed=0)
    test = TransliterationTask(latin_share=1.0).augment(TEXTS, "test", seed=0)
    held_out = {word.lower() for word in load_latin_words(held_out=True) if len(word) > 4}

    def share(texts):
        return sum(word.lower() in held_out for text in texts for word in text.split(" "))

    assert share(train) == 0
    assert share(test) > 50


def test_a_share_of_the_texts_has_words_in_capitals():
    texts = add_capitals(PACK, TEXTS * 3, 0.3, seed=2)
    assert texts == add_capitals(PACK, TEXTS * 3, 0.3, seed=2)
    changed = [(a, b) for a, b in zip(TEXTS * 3, texts, strict=True) if a != b]
    assert 0.2 < len(changed) / len(texts) < 0.4
    whole = [b == PACK.upper(a) for a, b in changed]
    assert 0.2 < sum(whole) / len(whole) < 0.5
    for text, other in changed:
        pairs = list(zip(text.split(" "), other.split(" "), strict=True))
        assert all(b in {a, PACK.upper(a)} for a, b in pairs)
    assert add_capitals(PACK, TEXTS, 0.0, seed=2) == TEXTS
