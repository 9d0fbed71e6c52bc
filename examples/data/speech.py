"""JapaneseVowels (Kudo, Toyama, Shimbo, 1999), out of PyPI's aeon: two vowels spoken by nine men, 12 cepstrum coefficients in 7
to 29 steps. Shorter utterances end in zeros, which the model masks.

usage: speech.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
from common import from_package, save

STEPS, CHANNELS = 29, 12


def parse(text):
    """A line is channels divided by ':', each a list of numbers, and the speaker, 1 to 9."""
    lines = text.decode().split("@data")[1].split()
    x = np.zeros((len(lines), STEPS, CHANNELS), "float32")
    speaker = np.zeros(len(lines), "int32")
    for i, line in enumerate(lines):
        *channels, label = line.split(":")
        for c, values in enumerate(channels):
            numbers = np.array(values.split(","), "float32")
            x[i, :len(numbers), c] = numbers
        speaker[i] = int(label) - 1
    return x, speaker


folder = Path(sys.argv[1])
place = "aeon/datasets/data/JapaneseVowels/JapaneseVowels_%s.ts"
for part, text in zip(("train", "test"), from_package("aeon", place % "TRAIN", place % "TEST")):
    x, speaker = parse(text)
    order = np.random.default_rng(7).permutation(len(x))  # the files are sorted by speaker
    save(folder / f"{part}.h5", x=x[order], y=speaker[order])
