"""Made tickets for examples/tickets.ini: words of a title and a body, and tags. The department follows from the words, the
priority from urgent words and tags; a part of both is noise, so that no model is always right.

usage: tickets.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
from common import save

DEPARTMENTS, WORDS, TAGS, TITLE, BODY = 4, 10000, 12, 12, 60
rng = np.random.default_rng(7)
own_words = rng.permutation(np.arange(1, WORDS))[:DEPARTMENTS * 60].reshape(DEPARTMENTS, 60)
urgent_words = rng.choice(np.arange(1, WORDS), 50, replace=False)


def sentence(department, urgent, longest):
    """Words of a length by chance: two in five belong to the department, a few are urgent."""
    words = rng.integers(1, WORDS, longest).astype("int32")
    own = rng.random(longest) < 0.4
    words[own] = rng.choice(own_words[department], own.sum())
    if urgent:
        loud = rng.random(longest) < 0.12
        words[loud] = rng.choice(urgent_words, loud.sum())
    return words[:rng.integers(longest // 3, longest + 1)]


def tickets(count):
    department = rng.integers(0, DEPARTMENTS, count)
    urgent = rng.random(count) < 0.4
    title = [sentence(d, u, TITLE) for d, u in zip(department, urgent)]
    body = [sentence(d, u, BODY) for d, u in zip(department, urgent)]
    tags = (rng.random((count, TAGS)) < 0.2).astype("float32")
    tags[:, 0] = rng.random(count) < np.where(urgent, 0.6, 0.1)
    wrong = rng.random(count) < 0.03
    return {"title": title, "body": body, "tag_bits": tags,
            "priority": (urgent ^ wrong).astype("float32")[:, None], "department": department.astype("int32")}


folder = Path(sys.argv[1])
for shard in range(3):
    save(folder / f"tickets-train-{shard}.h5", **tickets(3000))
save(folder / "tickets-val.h5", **tickets(2000))
