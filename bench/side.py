"""What is measured beside training steps: start-up and memory, all-reduce, input."""

import json
import os
import statistics
import subprocess
import sys
import threading
import time

from nets import BENCH_NETS
from systems import BENCH, ROOT, SAME_WORK, environment, last_json, pinned


def device_used():
    """Memory of the first GPU that is in use, in MB."""
    asked = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0"]
    return float(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)


class DevicePeak(threading.Thread):
    """The most memory of the GPU that is in use while a command runs, beyond what was in use before."""

    def __init__(self):
        super().__init__(daemon=True)
        self.before = self.most = device_used()
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.05):
            self.most = max(self.most, device_used())

    def stop(self):
        self.over.set()
        self.join()
        return self.most - self.before


def one(command, cpus, device="cpu", **extra):
    """Runs a command that prints one JSON object; adds the seconds it took as a whole, and the memory of a GPU."""
    peak = DevicePeak() if device == "cuda" else None
    if peak:
        peak.start()
    start = time.perf_counter()
    done = subprocess.run(pinned(cpus, command), capture_output=True, text=True, env=environment(**extra), timeout=600)
    wall = time.perf_counter() - start
    used = {"device_mb": peak.stop()} if peak else {}
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: {done.stderr.strip()[-500:]}")
    return {**last_json(done.stdout), "wall_s": wall, **used}


def kdist_command(options, net, batch, steps):
    return [options.kdist, "bench", ROOT / net.config, "--synthetic", "--json", "--steps", steps, "--warmup", 0,
            f"train.batch_size={batch}", "distributed.threads=1", f"distributed.device={options.device}",
            f"train.dtype_policy={net.policy}", *SAME_WORK]


def mpirun():
    root = ["--allow-run-as-root"] if os.getuid() == 0 else []
    return ["mpirun", *root, "--oversubscribe", "-np", 2]


def start_commands(options, net, batch, steps):
    """(name, command, cores, environment): one process each, then two ranks."""
    kdist = kdist_command(options, net, batch, steps)
    peer = ["--net", net.name, "--batch", batch, "--steps", steps, "--plain", "--device", options.device]
    torch = [BENCH / "peer_torch.py", *peer]
    found = [("kdist", kdist, 1, {})]
    if "torch eager" in options.peers:
        found.append(("torch eager", [sys.executable, *torch], 1, {}))
    for name, backend in (("keras jax", "jax"), ("keras tf", "tensorflow")):
        if name in options.peers:
            found.append((name, [sys.executable, BENCH / "peer_keras.py", *peer], 1, {"KERAS_BACKEND": backend}))
    if options.device == "cuda":
        return found
    found.append(("kdist, 2 ranks", [*mpirun(), *kdist], 2, {}))
    if "torch eager" in options.peers:
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2]
        found.append(("torch eager, 2 ranks", [*launch, *torch], 2, {}))
    return found


def startup(options):
    """Start of the process to the end of the first step; peak of resident memory after a few steps."""
    rows = []
    large = [("resnet50_bf16", 64, 20), ("gpt2_bf16", 8, 10)] if options.device == "cuda" else [("resnet50", 8, 2)]
    nets = [("mlp", 128, 20)] + ([] if options.quick else large)
    for name, batch, steps in nets:
        repeats = 1 if options.quick or name == "resnet50" else 3
        for system, command, cpus, extra in start_commands(options, BENCH_NETS[name], batch, steps):
            try:
                runs = [one(command, cpus, options.device, **extra) for _ in range(repeats)]
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                print(f"  {name}, {system} is left out: {error}", flush=True)
                continue
            rows.append({"net": name, "system": system,
                         "first_step_s": statistics.median(run["first_step_s"] for run in runs),
                         "first_step_s_min": min(run["first_step_s"] for run in runs),
                         "wall_s": min(run["wall_s"] for run in runs), "rss_mb": runs[-1]["rss_mb"],
                         "device_mb": max(run.get("device_mb", 0) for run in runs)})
    print("\nStart to the end of the first step: median (least) of repeats; whole command; resident memory\n")
    print("| Net | System | First step, s | Whole command, s | Resident, MB | GPU, MB |\n|---|---|---|---|---|---|")
    for r in rows:
        print(f"| {r['net']} | {r['system']} | {r['first_step_s']:.2f} ({r['first_step_s_min']:.2f}) | {r['wall_s']:.2f} "
              f"| {r['rss_mb']:.0f} | {r['device_mb']:.0f} |", flush=True)
    return rows


def allreduce(options):
    """The reducer against MPI_Allreduce: the program prints its own table."""
    program = options.kdist.parent / "bench_allreduce"
    if not program.exists():
        print(f"\nall-reduce: left out: {program} is not built (ninja bench)")
        return None
    done = subprocess.run([program, "2"], capture_output=True, text=True, timeout=600)
    print(f"\nAll-reduce\n\n{done.stdout.strip()}\n{done.stderr.strip()[-500:] if done.returncode else ''}", flush=True)
    return done.stdout.splitlines()


def kdist_loader(program):
    """bench_loader makes its own file of the same contents."""
    done = subprocess.run(pinned(2, [program, "60000", "128", "3"]), capture_output=True, text=True, timeout=300)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {"images_s": next(line["loader_images_per_s"] for line in lines if line["format"] == "hdf5")}


def loader(options):
    """Images a second out of one HDF5 file: kdist's loader, PyTorch's DataLoader, tf.data."""
    path = ROOT / "runs" / "bench-loader.h5"
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, BENCH / "peer_loader.py", "make", path], check=True, env=environment())
    rows = []
    for name in ("kdist", "torch", "torch rows", "tf.data"):
        try:
            if name == "kdist":
                found = kdist_loader(options.kdist.parent / "bench_loader")
            else:
                found = one([sys.executable, BENCH / "peer_loader.py", name, path], 2)
        except (RuntimeError, OSError, StopIteration, subprocess.TimeoutExpired) as error:
            print(f"  loader, {name} is left out: {error}", flush=True)
            continue
        rows.append({"system": name, **found})
    print("\nInput from HDF5: 60000 images of 28 x 28, shuffled, batches of 128\n\n| System | Images/s |\n|---|---|")
    for r in rows:
        print(f"| {r['system']} | {r['images_s']:.0f} |", flush=True)
    path.unlink()
    return rows
