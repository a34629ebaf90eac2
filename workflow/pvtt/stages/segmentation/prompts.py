"""Text prompts: what a catalogue says of a product, and the short noun phrases that a detector reads.

Grounding DINO (Liu et al., "Grounding DINO: marrying DINO with grounded pre-training for open-set object detection",
ECCV 2024) matches boxes with single words of its text. It expects lower case and a full stop after each phrase. A
seller's whole title ("... for women, gift box") makes it detect women and boxes. Titles are untrusted data: markup and
signs are removed, and the length is limited.
"""

from __future__ import annotations

import html
import re

MOST_CHARACTERS = 160  # of one part of a prompt
MOST_WORDS = 3  # of a noun phrase
ANYTHING = "product."

_MARKUP = re.compile(r"<[^<>]*>|https?://\S+")
_NO_WORD = re.compile(r"[^\w\s,'&-]|_")
# What follows one of these says how the product is made, for whom, or what comes with it.
_CLAUSE = re.compile(r"[,&]|\s-+\s|\b(?:for|with|by|from|in|of|and|to|on|at|set|gift|gifts|free|new)\b")
# Measures, numbers and codes: 50 ml, 18k, 0 3 l, xl2000.
_MEASURE = re.compile(r"\b(?:\d+\s*(?:ml|l|oz|cm|mm|in|inch|g|kg|k|kt|ct|pcs|w|v)\b|\w*\d\w*\b)")


def prompt_text(title: str = "", category: str = "", subcategory: str = "") -> str:
    """Prompt of a product from its catalogue row: general to particular, lower case, each part closed by ".".

    Of category and subcategory only the finer one is used, as a coarse one ("kitchen") names scenes. `unknown` is
    ignored. Empty if the catalogue says nothing.

    >>> prompt_text("Stoneware Mug, Cobalt Blue, 0.3 l", "kitchen", "mug")
    'mug. stoneware mug, cobalt blue, 0 3 l.'
    """
    kind = cleaned(subcategory) or (cleaned(category) if not cleaned(title) else "")
    parts = [part for part in (kind, cleaned(title)) if part and part != "unknown"]
    return " ".join(f"{part}." for part in dict.fromkeys(parts))


def cleaned(text: str) -> str:
    """A text in lower case without markup, addresses and signs, cut between words to at most 160 characters."""
    words = _NO_WORD.sub(" ", _MARKUP.sub(" ", html.unescape(text))).lower().split()
    line = " ".join(words).replace(" ,", ",").strip(" ,'&-")
    return line if len(line) <= MOST_CHARACTERS else line[: MOST_CHARACTERS + 1].rsplit(" ", 1)[0].strip(" ,'&-")


def detection_text(prompt: str) -> str:
    """The noun phrases of a prompt of `prompt_text`, each closed by "."; `product.` if it has none.

    Each part gives the words of its first clause, without measures, at most the last three.

    >>> detection_text("mug. stoneware mug, cobalt blue, 0 3 l.")
    'mug. stoneware mug.'
    """
    phrases = [noun_phrase(part) for part in prompt.split(".")]
    return " ".join(f"{phrase}." for phrase in dict.fromkeys(phrases) if phrase) or ANYTHING


def noun_phrase(part: str) -> str:
    """The first clause with a word in it, without measures, cut to its last three words; empty when there is none."""
    for clause in _CLAUSE.split(part):
        words = [word.strip("'-") for word in _MEASURE.sub(" ", clause).split()]
        words = [word for word in words if len(word) > 1]
        if words:
            return " ".join(words[-MOST_WORDS:])
    return ""
