"""Latin passages: between the words of a text, of words that are held out from training where that is asked."""

from interp_transliteration.mixing import Mixer, latin_words, latin_words_in, raised
from interp_transliteration.pack import load_pack
from interp_transliteration.task import TransliterationTask

PACK = load_pack("hy")
TEXTS = TransliterationTask().sentences("demo")


def mixer(share):
    return Mixer(PACK, tuple(latin_words()), share)


def test_one_word_in_five_is_held_out_whatever_its_case(tmp_path):
    trained, held = latin_words(), latin_words(held_out=True)
    assert len(held) > 200
    assert 0.15 < len(held) / (len(held) + len(trained)) < 0.25
    assert not {word.lower() for word in trained} & {word.lower() for word in held}
    path = tmp_path / "words.txt"
    path.write_text("Alpha beta\nAlpha", encoding="utf-8")
    assert sorted(latin_words(path) + latin_words(path, held_out=True)) == ["Alpha", "beta"]


def test_words_of_a_corpus_join_without_those_held_out():
    held = latin_words(held_out=True)[0]
    found = latin_words_in([f"Սա Zebracross է {held} {held.upper()} XVIII abc Zebracross"], known=["known"])
    assert found == [word for word in ["Zebracross"] if word.lower() != held.lower()]


def test_a_share_of_the_texts_gets_passages_between_its_words():
    texts = TEXTS * 3
    mixed = mixer(0.4).mix(texts, seed=1)
    assert mixed == mixer(0.4).mix(texts, seed=1)
    changed = [(a, b) for a, b in zip(texts, mixed, strict=True) if a != b]
    assert 0.33 < len(changed) / len(texts) < 0.47
    for text, longer in changed:
        rest = iter(longer.split(" "))
        assert all(word in rest for word in text.split(" ")), "the words stand there in their order"
    assert mixer(0.0).mix(texts, seed=1) == texts


def test_training_and_measuring_see_different_words():
    train = TransliterationTask(mix=1.0).mixed(TEXTS, "train", seed=0)
    test = TransliterationTask(mix=1.0).mixed(TEXTS, "test", seed=0)
    held = {word.lower() for word in latin_words(held_out=True) if len(word) > 4}

    def share(texts):
        return sum(word.lower() in held for text in texts for word in text.split(" "))

    assert share(train) == 0
    assert share(test) > 50


def test_a_share_of_the_texts_has_words_in_capitals():
    found = raised(PACK, TEXTS * 3, 0.3, seed=2)
    assert found == raised(PACK, TEXTS * 3, 0.3, seed=2)
    changed = [(a, b) for a, b in zip(TEXTS * 3, found, strict=True) if a != b]
    assert 0.2 < len(changed) / len(found) < 0.4
    whole = [b == PACK.upper(a) for a, b in changed]
    assert 0.2 < sum(whole) / len(whole) < 0.5
    for text, other in changed:
        pairs = list(zip(text.split(" "), other.split(" "), strict=True))
        assert all(b in {a, PACK.upper(a)} for a, b in pairs)
    assert raised(PACK, TEXTS, 0.0, seed=2) == TEXTS
