"""What the peers share: their command line, made data, timing, and the lines they speak with bench.py.

A peer prints one JSON object when it is warm. With --serve it then reads lines `N` from stdin and answers each with the
times of N more steps, so that bench.py can let kdist and all peers work in turn within one run.
"""

import argparse
import json
import os
import resource
import sys
import time

import numpy as np

from nets import BENCH_NETS

BATCHES = 4  # made batches that are used in turn


def since_process_start():
    """Seconds, from the kernel's record of when this process began."""
    with open("/proc/self/stat") as stat:
        ticks = int(stat.read().rsplit(")", 1)[1].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def resident_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def arguments(description, modes):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--net", required=True, choices=BENCH_NETS)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--mode", choices=modes, default=modes[0])
    parser.add_argument("--plain", action="store_true", help="one variant, no search for the fastest")
    parser.add_argument("--serve", action="store_true", help="answer lines with numbers of steps")
    return parser.parse_args()


def made_batches(net, batch):
    """Pairs of a list of inputs (float32 or int32) and int32 labels."""
    rng = np.random.default_rng(7)

    def made(given):
        shape = (batch, *given.shape)
        return rng.integers(0, given.below, shape, np.int32) if given.below else rng.random(shape, np.float32) * 255

    return [([made(given) for given in net.inputs], rng.integers(0, net.classes, (batch, *net.labels), np.int32))
            for _ in range(BATCHES)]


def check_weights(net, count):
    """The models of all systems are the same work: at least they have as many trainable weights."""
    if count != net.work.weights:
        raise ValueError(f"{net.name}: {count} trainable weights, but nets.py counts {net.work.weights}")


def timed(step, finish, steps):
    """Seconds a step, of each of at least `steps` steps. finish() waits for work that step() has only started.
    A step() that does several at once says so in step.batches."""
    batches = getattr(step, "batches", 1)
    seconds = []
    for number in range(-(-steps // batches)):
        start = time.perf_counter()
        step(number)
        finish()
        seconds.append((time.perf_counter() - start) / batches)
    return seconds


def fastest(variants, budget=1.0):
    """The (name, step, finish) with the least median of a few steps; each variant is warmed up first.
    A variant is tried for about `budget` seconds. One that the library refuses is left out."""
    best = None
    for name, make in variants:
        try:
            step, finish = make()
            timed(step, finish, 2)
            once = timed(step, finish, 1)[0]
            times = sorted(timed(step, finish, max(2, min(400, int(budget / once)))))
        except (RuntimeError, ValueError, NotImplementedError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        if best is None or times[len(times) // 2] < best[0]:
            best = (times[len(times) // 2], name, step, finish)
    if best is None:
        raise SystemExit("no variant works")
    return best[1:]


def answer(**values):
    print(json.dumps(values), flush=True)


def report(step, finish, steps):
    before = time.process_time()
    times = sorted(timed(step, finish, steps))
    used = (time.process_time() - before) / (len(times) * getattr(step, "batches", 1))
    answer(step_ms=1e3 * times[len(times) // 2], step_ms_min=1e3 * times[0], steps=steps, cpu_ms=1e3 * used)


def run(args, variants, versions):
    """variants: (name, make) pairs; make() gives (step, finish). The first one is the plain way to use the library."""
    if args.plain:
        name, make = variants[0]
        step, finish = make()
        timed(step, finish, 1)
        first = since_process_start()
        times = sorted(timed(step, finish, args.steps))
        answer(step_ms=1e3 * times[len(times) // 2], step_ms_min=1e3 * times[0], first_step_s=first,
               rss_mb=resident_mb(), threads=args.threads, variant=name, **versions)
        return
    name, step, finish = fastest(variants)
    if not args.serve:
        report(step, finish, args.steps)
        return
    times = sorted(timed(step, finish, 3))  # a step of several batches gives fewer times
    answer(ready=True, step_ms=1e3 * times[len(times) // 2], rss_mb=resident_mb(), variant=name, **versions)
    for line in sys.stdin:
        report(step, finish, int(line))
