"""Systems under measurement, each in processes of its own, pinned to the same cores."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from peer import check_weights

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
# The same work as the peers': one metric, made images.
SAME_WORK = ("train.metrics=accuracy",)


def cores(threads):
    """The last cores that this process may use: the first ones serve more of the machine's interrupts."""
    return sorted(os.sched_getaffinity(0))[-threads:]


def pinned(threads, command):
    return ["taskset", "-c", ",".join(map(str, cores(threads))), *map(str, command)]


def environment(**extra):
    values = {key: value for key, value in os.environ.items() if not key.startswith("OMP_")}
    values.setdefault("TORCHINDUCTOR_CACHE_DIR", str(ROOT / ".venv-bench" / "inductor"))  # a second run compiles less
    return {**values, **extra}


def last_json(text):
    lines = [line for line in text.splitlines() if line.startswith("{")]
    if not lines:
        raise RuntimeError("no JSON in the output")
    return json.loads(lines[-1])


class Kdist:
    """`kdist bench`, a new process for each measurement."""

    name = "kdist"

    def __init__(self, program, net, batch, threads, device):
        self.command = pinned(threads, [program, "bench", ROOT / net.config, "--synthetic", "--json",
                                        f"train.batch_size={batch}", f"distributed.threads={threads}",
                                        f"distributed.device={device}", f"train.dtype_policy={net.policy}",
                                        *SAME_WORK])
        self.batch, self.device = batch, device
        self.version = subprocess.run([str(program), "--version"], capture_output=True, text=True).stdout.strip()
        summary = subprocess.run([program, "summary", ROOT / net.config, "--json"], capture_output=True, text=True)
        check_weights(net, last_json(summary.stdout)["trainable_params"])
        self.variant = ""
        first = self.measure(3, 1)
        self.step_s = first["step_ms"] / 1e3

    def measure(self, steps, warmup=None):
        if warmup is None:
            warmup = max(1, min(50, steps // 4))
        done = subprocess.run([*self.command, "--steps", str(steps), "--warmup", str(warmup)], capture_output=True,
                              text=True, env=environment(), timeout=300)
        if done.returncode != 0:
            raise RuntimeError(f"kdist bench: {done.stderr.strip()[-500:]}")
        answer = last_json(done.stdout)
        if self.device == "cuda":  # calls return before the step is done: its time is the mean
            answer["step_ms"] = answer["step_ms_min"] = 1e3 * self.batch / answer["samples_per_s"]
        return answer

    def close(self):
        pass


class Peer:
    """A Python process that is warmed up once and then answers numbers of steps with times."""

    def __init__(self, name, script, net, batch, threads, mode, device, **extra):
        self.name, self.variant, self.version = name, "", ""
        command = [sys.executable, BENCH / script, "--net", net.name, "--batch", batch, "--threads", threads,
                   "--mode", mode, "--device", device, "--serve"]
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(pinned(threads, command), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True, env=environment(**extra))

    def answer(self):
        while True:
            line = self.process.stdout.readline()
            if not line:
                self.errors.seek(0)
                last = self.errors.read().strip().splitlines()[-1:]
                raise RuntimeError(f"exit {self.process.wait()}: {' '.join(last)}")
            if line.startswith("{"):
                return json.loads(line)

    def wait_ready(self):
        ready = self.answer()
        self.step_s, self.variant, self.version = ready["step_ms"] / 1e3, ready["variant"], ready["system"]

    def measure(self, steps):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.errors.close()


def start_peers(names, net, batch, threads, device):
    """Starts each in turn (side by side they would disturb each other's search for the fastest variant)."""
    scripts = {"torch eager": ("peer_torch.py", "eager", {}), "torch compile": ("peer_torch.py", "compile", {}),
               "keras jax": ("peer_keras.py", "all", {"KERAS_BACKEND": "jax"}),
               "keras tf": ("peer_keras.py", "all", {"KERAS_BACKEND": "tensorflow"})}
    peers = []
    for name in names:
        script, mode, extra = scripts[name]
        peer = Peer(name, script, net, batch, threads, mode, device, **extra)
        try:
            peer.wait_ready()
            peers.append(peer)
        except RuntimeError as error:
            print(f"  {name} is left out: {error}", flush=True)
    return peers
