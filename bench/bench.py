"""Measures kdist against PyTorch and Keras on the same work in turn. Started by bench/run.sh, which installs the peers.

Per net, batch and number of threads: all systems are warmed up, then work in rounds of a fraction of a second each, so
that a disturbance of the machine meets all of them. Ratio = median over the rounds of kdist's median step / the best
peer's median step of the same round; below 1 kdist is faster. Ratios of least steps and of processor time (of all threads, least round)
stand beside it: they hold where other programs disturb the machine.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from nets import BENCH_NETS
from side import allreduce, loader, startup
from systems import ROOT, Kdist, pinned, start_peers

PEERS = ("torch eager", "torch compile", "keras jax", "keras tf")


class Limits:
    def __init__(self, threads, device):
        self.process = subprocess.Popen(pinned(threads, [sys.executable, ROOT / "bench" / "limits.py", threads, device]),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def measure(self, net):
        self.process.stdin.write(f"{net.update_bytes()} {net.policy}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def steps_for(system, seconds):
    return max(2, min(5000, int(seconds / system.step_s)))


def rounds(systems, limits, net, options):
    """Times of all systems in turn: name -> list of answers, a round each."""
    best = min(system.step_s for system in systems if system.name != "kdist")
    answers = {system.name: [] for system in systems}
    rates = []
    for number in range(options.rounds):
        rates.append(limits.measure(net))
        for system in systems if number % 2 == 0 else systems[::-1]:
            if number > 0 and system.step_s > 3 * best and system.name != "kdist":
                continue  # far from being the best peer: one round shows it
            answers[system.name].append(system.measure(steps_for(system, options.seconds)))
    return answers, rates


def summary(answers, rates, net, batch, threads, aim):
    median = {name: statistics.median(a["step_ms"] for a in list_) for name, list_ in answers.items()}
    least = {name: min(a["step_ms_min"] for a in list_) for name, list_ in answers.items()}
    peer = min((name for name in median if name != "kdist"), key=median.get)
    pairs = [k["step_ms"] / p["step_ms"] for k, p in zip(answers["kdist"], answers[peer])]
    cpu = {name: min(a["cpu_ms"] for a in list_) for name, list_ in answers.items()}
    cpu_peer = min(value for name, value in cpu.items() if name != "kdist")
    least_peer = min(value for name, value in least.items() if name != "kdist")
    flops, bytes_ = max(r["flops_s"] for r in rates), max(r["bytes_s"] for r in rates)
    work = net.work.step_flops(batch)
    limit = 1e3 * (work / flops + net.update_bytes() / bytes_)
    return {"net": net.name, "batch": batch, "threads": threads, "median_ms": median, "min_ms": least, "best_peer": peer,
            "ratio": statistics.median(pairs), "ratio_min": least["kdist"] / least_peer,
            "cpu_ms": cpu, "ratio_cpu": cpu["kdist"] / cpu_peer,
            "ratio_to": {name: statistics.median(k["step_ms"] / p["step_ms"] for k, p in zip(answers["kdist"], list_))
                         for name, list_ in answers.items() if name != "kdist"},
            "aim": aim, "limit_ms": limit, "gflops_s": flops / 1e9, "gbytes_s": bytes_ / 1e9,
            "step_gflop": work / 1e9, "load": os.getloadavg()[0], "rounds": len(pairs)}


def measure(net, batch, threads, options):
    device = options.device
    where = "GPU" if device == "cuda" else f"{threads} thread{'s' * (threads > 1)}"
    print(f"{net.name} batch {batch}, {where}:", flush=True)
    kdist = Kdist(options.kdist, net, batch, threads, device)
    peers = start_peers(options.peers, net, batch, threads, device)
    limits = Limits(threads, device)
    systems = [kdist, *peers]
    try:
        answers, rates = rounds(systems, limits, net, options)
    finally:
        for system in [*systems, limits]:
            system.close()
    aims = net.gpu_aims if device == "cuda" else net.aims
    result = summary(answers, rates, net, batch, threads, aims.get(batch, "-"))
    result["variants"] = {system.name: system.variant for system in peers}
    result["versions"] = {system.name: system.version for system in systems}
    for system in systems:
        print(f"  {system.name:14} {result['median_ms'][system.name]:10.3f} ms  least {result['min_ms'][system.name]:10.3f} ms"
              f"  processor {result['cpu_ms'][system.name]:10.3f} ms  {system.variant}")
    for name, ratio in result["ratio_to"].items():
        print(f"  kdist / {name}: {ratio:.2f}")
    print(f"  kdist / {result['best_peer']}: {result['ratio']:.2f} (by least steps {result['ratio_min']:.2f}, "
          f"by processor time {result['ratio_cpu']:.2f}), aim {result['aim']}; limit {result['limit_ms']:.3f} ms", flush=True)
    return result


def step_table(results):
    names = [name for name in ("kdist", *PEERS) if any(name in r["median_ms"] for r in results)]
    lines = ["| Net | Batch | Threads | " + " | ".join(f"{name}, ms" for name in names)
             + " | Limit, ms | kdist / best | by least | by processor time | Aim |",
             "|---|---|---|" + "---|" * (len(names) + 5)]
    for r in results:
        cells = [f"{r['median_ms'][n]:.3g} ({r['min_ms'][n]:.3g})" if n in r["median_ms"] else "-" for n in names]
        lines.append(f"| {r['net']} | {r['batch']} | {r['threads']} | " + " | ".join(cells)
                     + f" | {r['limit_ms']:.3g} | {r['ratio']:.2f} | {r['ratio_min']:.2f} | {r['ratio_cpu']:.2f} | {r['aim']} |")
    return "\n".join(lines)


def options_of_command():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kdist", type=Path, default=ROOT / "build" / "bin" / "kdist")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cuda: PyTorch is the peer")
    parser.add_argument("--nets", help="names, or name:batch; default: all that are measured on the device")
    parser.add_argument("--threads", help="default: 1,2; on a GPU all cores")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.8, help="of one system in one round")
    parser.add_argument("--parts", default="steps,startup,allreduce,loader")
    parser.add_argument("--quick", action="store_true", help="3 short rounds")
    parser.add_argument("--json", type=Path, default=ROOT / "runs" / "bench.json")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 3, 0.3
    options.peers = options.peers.split(",")
    options.parts = options.parts.split(",")
    if options.device == "cuda":
        options.peers = [name for name in options.peers if name.startswith("torch")]
        options.parts = [part for part in options.parts if part in ("steps", "startup")]
    threads = options.threads or (str(os.cpu_count()) if options.device == "cuda" else "1,2")
    options.threads = [int(t) for t in threads.split(",")]
    return options


def chosen_nets(options):
    for item in (options.nets or ",".join(BENCH_NETS)).split(","):
        name, _, batch = item.partition(":")
        net = BENCH_NETS[name]
        own = tuple(net.gpu_aims) if options.device == "cuda" else net.batches
        for size in (int(batch),) if batch else own:
            yield net, size


def main():
    options = options_of_command()
    results = {"date": time.strftime("%Y-%m-%d %H:%M"), "cpu": cpu_name(), "cores": os.cpu_count()}
    if "steps" in options.parts:
        rows = [measure(net, batch, threads, options) for threads in options.threads
                for net, batch in chosen_nets(options)]
        results["steps"] = rows
        print("\nTraining step: median of rounds (least step)\n" + step_table(rows))
    for part, run in (("startup", startup), ("allreduce", allreduce), ("loader", loader)):
        if part in options.parts:
            results[part] = run(options)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\nwritten: {options.json}")


def cpu_name():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


if __name__ == "__main__":
    main()
