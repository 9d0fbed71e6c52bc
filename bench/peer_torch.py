"""PyTorch on the nets of bench/nets.py: eager or compiled; layouts and optimizer implementations are tried."""

import itertools
import os

from nets import BENCH_NETS
from peer import arguments, made_batches, run

args = arguments(__doc__, ("eager", "compile"))
os.environ["OMP_NUM_THREADS"] = str(args.threads)

import torch  # noqa: E402  (after the number of threads is set)
from torch import nn  # noqa: E402

torch.set_num_threads(args.threads)


class Mlp(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 128), nn.ReLU(),
                         nn.Linear(128, 10))

    def forward(self, x):
        return super().forward(x * (1 / 255))


class Cnn(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(7 * 7 * 64, 128), nn.ReLU(), nn.Linear(128, 10))

    def forward(self, x):
        return super().forward(x * (1 / 255))


def conv_bn(inputs, outputs, kernel=3, stride=1, relu=True):
    parts = [nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*parts, nn.ReLU(inplace=True)) if relu else nn.Sequential(*parts)


class Residual(nn.Module):
    """relu(main(x) + shortcut(x)); the shortcut is a 1x1 convolution where the shape changes."""

    def __init__(self, main, inputs, outputs, stride, project):
        super().__init__()
        self.main = main
        self.shortcut = conv_bn(inputs, outputs, 1, stride, relu=False) if project else nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.main(x) + self.shortcut(x))


def basic(inputs, filters, stride):
    main = nn.Sequential(conv_bn(inputs, filters, 3, stride), conv_bn(filters, filters, relu=False))
    return Residual(main, inputs, filters, stride, inputs != filters)


def bottleneck(inputs, filters, stride, project):
    main = nn.Sequential(conv_bn(inputs, filters, 1), conv_bn(filters, filters, 3, stride),
                         conv_bn(filters, 4 * filters, 1, relu=False))
    return Residual(main, inputs, 4 * filters, stride, project)


def resnet20():
    blocks, channels = [], 16
    for filters in (16, 32, 64):
        for copy in range(3):
            blocks.append(basic(channels, filters, 2 if filters > 16 and copy == 0 else 1))
            channels = filters
    return nn.Sequential(conv_bn(3, 16), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def resnet50():
    blocks, channels = [], 64
    for filters, repeat in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for copy in range(repeat):
            blocks.append(bottleneck(channels, filters, 2 if filters > 64 and copy == 0 else 1, copy == 0))
            channels = 4 * filters
    return nn.Sequential(conv_bn(3, 64, 7, 2), nn.MaxPool2d(3, 2, padding=1), *blocks,
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000))


NETS = {"mlp": Mlp, "cnn": Cnn, "resnet20": resnet20, "resnet50": resnet50}


def make_optimizer(kind, parameters, way):
    options = {} if way in ("default", "compiled") else {way: True}
    if kind == "adam":
        return torch.optim.Adam(parameters, 1e-3, eps=1e-7, **options)
    nesterov = {"nesterov": True, "weight_decay": 5e-5} if kind == "nesterov" else {}
    return torch.optim.SGD(parameters, 0.1, momentum=0.9, **nesterov, **options)


def make(net, layout, way):
    """The training step of one variant: forward, loss, count of right answers, backward, update."""
    torch.manual_seed(7)
    model = NETS[net.name]().train()
    model = model.to(memory_format=layout)
    optimizer = make_optimizer(net.optimizer, model.parameters(), way)
    data = [(torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=layout), torch.from_numpy(y).long())
            for x, y in made_batches(net, args.batch)]
    totals = [torch.zeros(()), torch.zeros((), dtype=torch.int64)]

    def forward(x, y):
        logits = model(x)
        return nn.functional.cross_entropy(logits, y), (logits.detach().argmax(1) == y).sum()

    update = optimizer.step
    if args.mode == "compile":
        forward = torch.compile(forward)
        if way == "compiled":
            update = torch.compile(optimizer.step)

    def step(number):
        x, y = data[number % len(data)]
        optimizer.zero_grad(set_to_none=True)
        loss, right = forward(x, y)
        loss.backward()
        update()
        totals[0] += loss.detach()
        totals[1] += right

    return step, lambda: None


def variants(net):
    layouts = [("channels_last", torch.channels_last), ("contiguous", torch.contiguous_format)]
    ways = ["fused", "foreach", "default"]
    if net.name == "mlp":
        layouts = layouts[1:]
    if net.name == "resnet50":
        ways = ways[:1]  # the update is a small part of its step, the search a large one
    if args.mode == "compile":
        ways = ["fused"] if net.name.startswith("resnet") else ["fused", "compiled"]
    return [(f"{layout} {way}", lambda memory=memory, way=way: make(net, memory, way))
            for (layout, memory), way in itertools.product(layouts, ways)]


run(args, variants(BENCH_NETS[args.net]), {"system": f"torch {torch.__version__}"})
