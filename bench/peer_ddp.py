"""PyTorch's DistributedDataParallel over gloo on the recommender of bench/nets: the step's median on rank 0, in ms.

    peer_ddp.py [--sparse] [--ranks 2] [--batch 1024] [--steps 100]

--sparse: gradients of tables hold their used rows alone, and SparseAdam updates these alone. That is less work than
Adam's update, which moves all rows by their averages.
"""

import argparse
import json
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch  # noqa: E402  (after the number of threads is set)
import torch.distributed as dist  # noqa: E402
import torch.multiprocessing as mp  # noqa: E402
from torch import nn  # noqa: E402

WARM_UP = 5


class Recommender(nn.Module):
    def __init__(self, sparse):
        super().__init__()
        self.users, self.items = nn.Embedding(100000, 64, sparse=sparse), nn.Embedding(50000, 64, sparse=sparse)
        self.dense = nn.Sequential(nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 5))

    def forward(self, user, item):
        return self.dense(torch.cat((self.users(user), self.items(item)), 1))


def optimizers(model, sparse):
    if not sparse:
        return [torch.optim.Adam(model.parameters(), 1e-3, eps=1e-7, fused=True)]
    tables = [*model.users.parameters(), *model.items.parameters()]
    return [torch.optim.SparseAdam(tables, 1e-3, eps=1e-7),
            torch.optim.Adam(model.dense.parameters(), 1e-3, eps=1e-7, fused=True)]


def train(rank, args):
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", "29531")
    dist.init_process_group("gloo", rank=rank, world_size=args.ranks)
    torch.manual_seed(7)
    torch.set_num_threads(1)
    model = Recommender(args.sparse)
    parallel, updates = nn.parallel.DistributedDataParallel(model), optimizers(model, args.sparse)
    rows, times = args.batch // args.ranks, []
    user, item = torch.randint(100000, (rows,)), torch.randint(50000, (rows,))
    label = torch.randint(5, (rows,))
    for step in range(WARM_UP + args.steps):
        if step == WARM_UP:
            used = time.process_time()
        start = time.perf_counter()
        for update in updates:
            update.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(parallel(user, item), label).backward()
        for update in updates:
            update.step()
        times.append(1e3 * (time.perf_counter() - start))
    used, times = time.process_time() - used, sorted(times[WARM_UP:])
    if rank == 0:
        print(json.dumps({"step_ms": times[len(times) // 2], "step_ms_min": times[0],
                          "cpu_ms": 1e3 * used / args.steps, "sparse": args.sparse,
                          "ranks": args.ranks, "torch": torch.__version__}))
    dist.destroy_process_group()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sparse", action="store_true")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=100)
    arguments = parser.parse_args()
    mp.spawn(train, (arguments,), nprocs=arguments.ranks)
