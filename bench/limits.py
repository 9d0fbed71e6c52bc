"""What the machine can do at most: products per second, bytes per second. Measured in the same rounds as the systems.

Reads lines with a working set in bytes and a policy of types; answers with operations a second of products, and bytes a
second of reading and writing arrays of that size in place.
"""

import json
import os
import sys
import time

threads, device = int(sys.argv[1]), sys.argv[2]
os.environ["OMP_NUM_THREADS"] = str(threads)

import numpy as np  # noqa: E402  (after the number of threads is set)
import torch  # noqa: E402

torch.set_num_threads(threads)


def least_seconds(run, budget=0.25):
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    run()
    end, least = time.perf_counter() + budget, float("inf")
    while time.perf_counter() < end or least == float("inf"):
        wait()
        start = time.perf_counter()
        run()
        wait()
        least = min(least, time.perf_counter() - start)
    return least


def product_rate():
    """The better of a matrix product (numpy's library) and a 3x3 convolution (PyTorch's), both of sizes that suit them."""
    size, channels, pixels, batch = 512, 128, 28, 4
    a, b, c = (np.random.rand(size, size).astype(np.float32) for _ in range(3))
    conv = torch.nn.Conv2d(channels, channels, 3, padding=1, bias=False).to(memory_format=torch.channels_last)
    x = torch.rand(batch, channels, pixels, pixels).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        by_conv = 2 * batch * (channels * pixels * 3) ** 2 / least_seconds(lambda: conv(x))
    return max(2 * size**3 / least_seconds(lambda: np.dot(a, b, out=c)), by_conv)


def half_product_rate():
    """Products of bfloat16 matrices; float32 ones where those are slower."""
    size = 1024
    a, b = (torch.rand(size, size).to(torch.bfloat16) for _ in range(2))
    return max(2 * size**3 / least_seconds(lambda: torch.mm(a, b)), product_rate())


def device_product_rate(policy):
    """Of a GPU: products of float32 (without TF32) or bfloat16 matrices."""
    size, dtype = 8192, torch.float32 if policy == "float32" else torch.bfloat16
    a, b = (torch.rand(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / least_seconds(lambda: torch.mm(a, b))


def memory_rate(total):
    """y += x: two arrays read, one written."""
    count = max(1024, total // 8)
    x, y = torch.rand(count, device=device), torch.rand(count, device=device)
    return 12 * count / least_seconds(lambda: y.add_(x))


for line in sys.stdin:
    total, policy = line.split()
    if device == "cuda":
        rate = device_product_rate(policy)
    else:
        rate = product_rate() if policy == "float32" else half_product_rate()
    print(json.dumps({"flops_s": rate, "bytes_s": memory_rate(int(total))}), flush=True)
