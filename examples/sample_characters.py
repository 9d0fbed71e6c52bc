#!/usr/bin/env python3
"""Text from the character model of examples/characters.ini: kdist predicts the next character for several lines at once, one is
drawn for each, and so on.

usage: .venv-data/bin/python examples/sample_characters.py "And it came to pass" [KDIST] [CHARACTERS] [TEMPERATURE]
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

LENGTH, LINES = 96, 4
prompt = sys.argv[1]
kdist = sys.argv[2] if len(sys.argv) > 2 else "build/bin/kdist"
count = int(sys.argv[3]) if len(sys.argv) > 3 else 200
temperature = float(sys.argv[4]) if len(sys.argv) > 4 else 0.7
data = Path(os.environ.get("KDIST_DATA", "data")) / "characters"
characters = (data / "characters.txt").read_text(encoding="utf-8")
rng = np.random.default_rng()

texts = np.tile(np.array([characters.index(c) for c in prompt], "int32"), (LINES, 1))
with tempfile.TemporaryDirectory() as folder:
    for _ in range(count):
        known = texts[:, -LENGTH:]
        x = np.zeros((LINES, LENGTH), "int32")  # what follows the known characters changes nothing: attention is causal
        x[:, :known.shape[1]] = known
        np.save(f"{folder}/x.npy", x)
        subprocess.run([kdist, "predict", "examples/characters.ini", "-o", f"{folder}/next.npy", "data.format=npy",
                        f"data.dir={folder}", "data.test=x.npy", "log.level=error"], check=True)
        logits = np.load(f"{folder}/next.npy")[:, known.shape[1] - 1] / temperature
        drawn = (logits + rng.gumbel(size=logits.shape)).argmax(1)  # a draw from softmax(logits)
        texts = np.column_stack([texts, drawn.astype("int32")])
for text in texts:
    print("".join(characters[i] for i in text), end="\n\n")
