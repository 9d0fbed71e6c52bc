"""The nets that are measured: configuration, batches, and the work of one training step."""

from dataclasses import dataclass, field

BENCH_NETS = {}


@dataclass
class Work:
    """Counts of one sample's forward pass and of the weights; a step's work follows from them."""

    products: list = field(default_factory=list)  # multiply-adds of each matrix product or convolution, in order
    weights: int = 0

    def dense(self, inputs, outputs):
        self.products.append(inputs * outputs)
        self.weights += (inputs + 1) * outputs

    def conv(self, height, width, inputs, outputs, kernel, bias=False, norm=False):
        """height x width: of the output."""
        self.products.append(height * width * inputs * outputs * kernel * kernel)
        self.weights += inputs * outputs * kernel * kernel + outputs * (int(bias) + 2 * int(norm))

    def step_flops(self, batch):
        """Forward, gradients of weights, gradients of inputs; the first product's input needs no gradient."""
        return 2 * batch * (3 * sum(self.products) - self.products[0])


@dataclass
class Net:
    name: str
    config: str  # relative to the repository
    image: tuple  # height, width, channels
    classes: int
    batches: tuple
    optimizer: str  # adam, sgd (momentum) or nesterov (momentum and weight decay)
    work: Work
    aims: dict  # batch -> ratio to the best peer at one thread

    def update_bytes(self):
        """Memory traffic of the optimizer: weight, gradient and moments read, weight and moments written."""
        return 4 * self.work.weights * (7 if self.optimizer == "adam" else 5)


def mlp_work():
    work = Work()
    work.dense(784, 256)
    work.dense(256, 128)
    work.dense(128, 10)
    return work


def cnn_work():
    work = Work()
    work.conv(28, 28, 1, 32, 3, bias=True)
    work.conv(14, 14, 32, 64, 3, bias=True)
    work.dense(7 * 7 * 64, 128)
    work.dense(128, 10)
    return work


def resnet20_work():
    work = Work()
    work.conv(32, 32, 3, 16, 3, norm=True)
    channels = 16
    for stage, filters in enumerate((16, 32, 64)):
        size = 32 >> stage
        for _ in range(3):
            work.conv(size, size, channels, filters, 3, norm=True)
            work.conv(size, size, filters, filters, 3, norm=True)
            if channels != filters:
                work.conv(size, size, channels, filters, 1, norm=True)
            channels = filters
    work.dense(64, 10)
    return work


def resnet50_work():
    work = Work()
    work.conv(112, 112, 3, 64, 7, norm=True)
    channels = 64
    for stage, (filters, repeat) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        size = 56 >> stage
        for copy in range(repeat):
            before = 2 * size if stage and not copy else size  # the first 3x3 of a stage has the stride
            work.conv(before, before, channels, filters, 1, norm=True)
            work.conv(size, size, filters, filters, 3, norm=True)
            work.conv(size, size, filters, 4 * filters, 1, norm=True)
            if not copy:
                work.conv(size, size, channels, 4 * filters, 1, norm=True)
            channels = 4 * filters
    work.dense(2048, 1000)
    return work


for net in (
    Net("mlp", "bench/nets/mlp.ini", (28, 28, 1), 10, (1, 32, 128), "adam", mlp_work(), {1: 0.25, 32: 0.4, 128: 0.65}),
    Net("cnn", "bench/nets/cnn.ini", (28, 28, 1), 10, (128,), "adam", cnn_work(), {128: 0.6}),
    Net("resnet20", "bench/nets/resnet20.ini", (32, 32, 3), 10, (128,), "sgd", resnet20_work(), {128: 0.75}),
    Net("resnet50", "examples/resnet50.ini", (224, 224, 3), 1000, (8,), "nesterov", resnet50_work(), {8: 0.8}),
):
    BENCH_NETS[net.name] = net
