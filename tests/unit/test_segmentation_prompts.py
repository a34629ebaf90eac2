"""Prompts of a product: exact strings."""

import pytest

from pvtt.stages.segmentation.prompts import MOST_CHARACTERS, cleaned, detection_text, noun_phrase, prompt_text


@pytest.mark.parametrize(
    ("title", "category", "subcategory", "prompt", "detected"),
    [
        ("Gold Ring", "jewellery", "ring", "ring. gold ring.", "ring. gold ring."),
        (
            "Stoneware Mug, Cobalt Blue, 0.3 l",
            "kitchen",
            "mug",
            "mug. stoneware mug, cobalt blue, 0 3 l.",
            "mug. stoneware mug.",
        ),
        (
            "14K Gold Plated Cuban Link Chain Bracelet for Men Women 8mm Gift - Free Shipping",
            "jewellery",
            "bracelet",
            "bracelet. 14k gold plated cuban link chain bracelet for men women 8mm gift - free shipping.",
            "bracelet. link chain bracelet.",
        ),
        ("Ring", "jewellery", "ring", "ring.", "ring."),
        ("", "kitchen", "mug", "mug.", "mug."),
        ("", "kitchen", "", "kitchen.", "kitchen."),
        ("", "unknown", "", "", "product."),
        ("Serum 50 ml", "unknown", "", "serum 50 ml.", "serum."),
        ("New! 2 pcs Hoop Earrings", "", "earrings", "earrings. new 2 pcs hoop earrings.", "earrings. hoop earrings."),
        ("0.3 l", "", "", "0 3 l.", "product."),
        ("Becher für Kaffee", "", "tasse", "tasse. becher für kaffee.", "tasse. becher für kaffee."),
    ],
)
def test_prompts(title, category, subcategory, prompt, detected):
    assert prompt_text(title, category, subcategory) == prompt
    assert detection_text(prompt) == detected


def test_a_title_is_data():
    title = "<b>Gold&nbsp;Ring</b><script>x()</script> {see} https://shop.example/a?b=1 [SEP] | 50% off."
    assert cleaned(title) == "gold ring x see sep 50 off"
    assert "." not in cleaned("a.b. c.")


def test_a_title_is_cut_between_words():
    line = cleaned("ring " * 200)
    assert len(line) <= MOST_CHARACTERS
    assert set(line.split()) == {"ring"}
    assert len(cleaned("r" * 999)) <= MOST_CHARACTERS + 1


def test_a_noun_phrase_is_the_first_clause_with_a_word():
    assert noun_phrase("with love, silver ring") == "love"
    assert noun_phrase("925, silver ring in a box") == "silver ring"
    assert noun_phrase("") == ""
