"""What the machine can do at most: products per second, bytes per second. Measured in the same rounds as the systems.

Reads lines with a working set in bytes; answers with float32 multiply-adds * 2 a second of a matrix product, and bytes a
second of reading and writing arrays of that size in place.
"""

import json
import os
import sys
import time

threads = int(sys.argv[1])
os.environ["OMP_NUM_THREADS"] = str(threads)

import torch  # noqa: E402  (after the number of threads is set)

torch.set_num_threads(threads)


def least_seconds(run, budget=0.25):
    run()
    end, least = time.perf_counter() + budget, float("inf")
    while time.perf_counter() < end or least == float("inf"):
        start = time.perf_counter()
        run()
        least = min(least, time.perf_counter() - start)
    return least


def product_rate(size=1024):
    a, b, c = (torch.rand(size, size) for _ in range(3))
    return 2 * size**3 / least_seconds(lambda: torch.mm(a, b, out=c))


def memory_rate(total):
    """y += x: two arrays read, one written."""
    count = max(1024, total // 8)
    x, y = torch.rand(count), torch.rand(count)
    return 12 * count / least_seconds(lambda: y.add_(x))


for line in sys.stdin:
    print(json.dumps({"flops_s": product_rate(), "bytes_s": memory_rate(int(line))}), flush=True)
