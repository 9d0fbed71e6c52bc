"""PyTorch on the nets of bench/nets.py: eager or compiled; layouts and optimizer implementations are tried."""

import itertools
import os
from functools import partial

from nets import BENCH_NETS
from peer import arguments, check_weights, made_batches, run

args = arguments(__doc__, ("eager", "compile"))
os.environ["OMP_NUM_THREADS"] = str(args.threads)

import torch  # noqa: E402  (after the number of threads is set)
from torch import nn  # noqa: E402

torch.set_num_threads(args.threads)
torch.backends.cudnn.allow_tf32 = False  # float32 is float32, as in kdist


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


class Recurrent(nn.Module):
    """Words to the last states of a recurrent layer to two classes."""

    def __init__(self, layer, directions, time_first):
        super().__init__()
        self.words = nn.Embedding(20000, 128)
        self.layer = layer(128, 128, batch_first=not time_first, bidirectional=directions == 2)
        self.logits = nn.Linear(128 * directions, 2)
        self.time_first = time_first
        if layer is nn.LSTM:  # Keras has one bias a gate
            self.layer.bias_hh_l0.requires_grad_(False).zero_()

    def forward(self, x):
        _, state = self.layer(self.words(x.t() if self.time_first else x))
        state = state[0] if isinstance(state, tuple) else state
        return self.logits(torch.cat(state.unbind(), 1) if len(state) > 1 else state[0])


class Block(nn.Module):
    """A Transformer's layer with the normalisations in front, projections of queries, keys and values as one."""

    def __init__(self, width, heads, causal):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.norm1, self.norm2 = nn.LayerNorm(width, 1e-3), nn.LayerNorm(width, 1e-3)
        self.packed, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.dense = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        packed = self.packed(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = nn.functional.scaled_dot_product_attention(*packed.unbind(0), is_causal=self.causal)
        x = x + self.out(y.transpose(1, 2).flatten(2))
        return x + self.dense(self.norm2(x))


class Encoder(nn.Module):
    def __init__(self, depth, width, heads, causal, words=8192, steps=128):
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Parameter(0.02 * torch.randn(steps, width))
        self.blocks = nn.Sequential(*(Block(width, heads, causal) for _ in range(depth)), nn.LayerNorm(width, 1e-3))

    def forward(self, x):
        return self.blocks(self.words(x) + self.places)


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.logits = Encoder(4, 128, 8, False), nn.Linear(128, 2)

    def forward(self, x):
        return self.logits(self.encoder(x).mean(1))


def language():
    return nn.Sequential(Encoder(2, 512, 8, True), nn.Linear(512, 8192))


class Gpt2(nn.Module):
    """The logits are products with the table of words."""

    def __init__(self):
        super().__init__()
        self.encoder = Encoder(12, 768, 12, True, 50304, 1024)

    def forward(self, x):
        return nn.functional.linear(self.encoder(x), self.encoder.words.weight)


def update():
    layers = [part for _ in range(8) for part in (nn.Linear(4096, 4096), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(4096, 10))


class Recommender(nn.Module):
    def __init__(self):
        super().__init__()
        self.users, self.items = nn.Embedding(100000, 64), nn.Embedding(50000, 64)
        self.dense = nn.Sequential(nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 5))

    def forward(self, user, item):
        return self.dense(torch.cat((self.users(user), self.items(item)), 1))


NETS = {"mlp": Mlp, "cnn": Cnn, "resnet20": resnet20, "resnet50": resnet50, "lstm": partial(Recurrent, nn.LSTM, 1),
        "gru": partial(Recurrent, nn.GRU, 2), "transformer": Transformer, "transformer_bf16": Transformer,
        "language": language, "language_bf16": language, "recommender": Recommender, "resnet50_bf16": resnet50,
        "gpt2_bf16": Gpt2, "update": update}
STEPS_AT_ONCE = 1 if args.plain else 10  # on a GPU: between two waits for it


def make_optimizer(kind, parameters, way):
    options = {} if way in ("default", "compiled") else {way: True}
    if kind == "adam":
        return torch.optim.Adam(parameters, 1e-3, eps=1e-7, **options)
    nesterov = {"nesterov": True, "weight_decay": 5e-5} if kind == "nesterov" else {}
    return torch.optim.SGD(parameters, 0.1, momentum=0.9, **nesterov, **options)


def tensor(array, layout):
    """Images become channels first, whole numbers int64, as PyTorch's layers want them."""
    given = torch.from_numpy(array).to(args.device)
    if given.dim() == 4:
        return given.permute(0, 3, 1, 2).contiguous(memory_format=layout)
    return given if given.is_floating_point() else given.long()


def make(net, model, layout, way):
    """The training step of one variant: forward, loss, count of right answers, backward, update."""
    torch.manual_seed(7)
    model = model().train().to(args.device, memory_format=layout)
    trained = [p for p in model.parameters() if p.requires_grad]
    check_weights(net, sum(p.numel() for p in trained))
    optimizer = make_optimizer(net.optimizer, trained, way)
    data = [([tensor(part, layout) for part in x], tensor(y, layout)) for x, y in made_batches(net, args.batch)]
    totals = [torch.zeros((), device=args.device), torch.zeros((), dtype=torch.int64, device=args.device)]

    def forward(x, y):
        with torch.autocast(args.device, torch.bfloat16, enabled=net.policy != "float32"):
            logits = model(*x)
            loss = nn.functional.cross_entropy(logits.flatten(0, -2), y.flatten())
        return loss, (logits.detach().argmax(-1) == y).sum()

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

    if args.device == "cpu":
        return step, lambda: None

    def several(number):
        for i in range(STEPS_AT_ONCE):
            step(number * STEPS_AT_ONCE + i)

    several.batches = STEPS_AT_ONCE
    return several, torch.cuda.synchronize


def variants(net):
    """Memory layouts of images, or orders of sequences, times ways to run the optimizer."""
    plain = NETS[net.name]
    models = [("contiguous", plain, torch.contiguous_format)]
    if net.name in ("lstm", "gru"):
        models = [(name, partial(plain, first), torch.contiguous_format)
                  for name, first in (("batch first", False), ("time first", True))]
    elif net.name in ("cnn", "resnet20", "resnet50", "resnet50_bf16"):
        models.insert(0, ("channels_last", plain, torch.channels_last))
    ways = ["fused", "foreach", "default"]
    if net.name.startswith(("resnet50", "language", "gpt2")):
        ways = ways[:1]  # the update is a small part of its step, the search a large one
    if args.mode == "compile":
        ways = ["fused"] if net.name.startswith(("resnet", "language", "gpt2")) else ["fused", "compiled"]
    return [(f"{layout} {way}", partial(make, net, model, memory, way))
            for (layout, model, memory), way in itertools.product(models, ways)]


run(args, variants(BENCH_NETS[args.net]), {"system": f"torch {torch.__version__}"})
