"""The nets that are measured: configuration, batches, and the work of one training step."""

from dataclasses import dataclass, field

BENCH_NETS = {}


@dataclass
class Work:
    """Counts of one sample's forward pass and of the weights; a step's work follows from them."""

    products: list = field(default_factory=list)  # multiply-adds of each matrix product or convolution, in order
    weights: int = 0  # trainable ones
    learnt_input: bool = False  # the first product's input needs a gradient: it comes from a table

    def embedding(self, rows, width):
        self.weights += rows * width
        self.learnt_input = True

    def norm(self, width):
        self.weights += 2 * width

    def dense_steps(self, steps, inputs, outputs):
        self.dense(inputs, outputs)
        self.products[-1] *= steps

    def recurrent(self, steps, inputs, units, gates, biases):
        """biases: vectors of a gate."""
        self.products.append(steps * (inputs + units) * units * gates)
        self.weights += (inputs + units + biases) * units * gates

    def attention(self, steps, width, causal):
        """Projections of queries, keys, values and result; scores and sums of values."""
        for _ in range(4):
            self.dense_steps(steps, width, width)
        seen = steps * (steps + 1) // 2 if causal else steps * steps
        self.products.append(2 * seen * width)

    def dense(self, inputs, outputs):
        self.products.append(inputs * outputs)
        self.weights += (inputs + 1) * outputs

    def conv(self, height, width, inputs, outputs, kernel, bias=False, norm=False):
        """height x width: of the output."""
        self.products.append(height * width * inputs * outputs * kernel * kernel)
        self.weights += inputs * outputs * kernel * kernel + outputs * (int(bias) + 2 * int(norm))

    def step_flops(self, batch):
        """Forward, gradients of weights, gradients of inputs; the input of the first product needs none if it is given."""
        return 2 * batch * (3 * sum(self.products) - (0 if self.learnt_input else self.products[0]))


@dataclass
class Input:
    shape: tuple
    below: int = 0  # whole numbers from 0; 0: pixels, floats in [0, 255)


@dataclass
class Net:
    name: str
    config: str  # relative to the repository
    inputs: tuple
    labels: tuple  # shape of a sample's labels: (), or one for each step
    classes: int
    batches: tuple
    optimizer: str  # adam, sgd (momentum) or nesterov (momentum and weight decay)
    work: Work
    aims: dict  # batch -> ratio to the best peer at one thread
    policy: str = "float32"  # or mixed_bfloat16: Keras's policy of types
    gpu_aims: dict = field(default_factory=dict)  # batch -> ratio to the best peer on a GPU; empty: not measured there

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


def recurrent_work(gates, biases, directions):
    work = Work()
    work.embedding(20000, 128)
    for _ in range(directions):
        work.recurrent(80, 128, 128, gates, biases)
    work.dense(128 * directions, 2)
    return work


def encoder_work(work, layers, steps, width, causal):
    """Embedding of words and places, then attention and two dense layers a time, each behind a normalisation."""
    work.embedding(8192, width)
    work.embedding(steps, width)
    for _ in range(layers):
        work.norm(width)
        work.attention(steps, width, causal)
        work.norm(width)
        work.dense_steps(steps, width, 4 * width)
        work.dense_steps(steps, 4 * width, width)
    work.norm(width)
    return work


def transformer_work():
    work = encoder_work(Work(), 4, 128, 128, False)
    work.dense(128, 2)
    return work


def language_work():
    work = encoder_work(Work(), 2, 128, 512, True)
    work.dense_steps(128, 512, 8192)
    return work


def gpt2_work():
    """GPT-2 of 124 million weights: the way back to words uses their table."""
    work = Work()
    work.embedding(50304, 768)
    work.embedding(1024, 768)
    for _ in range(12):
        work.norm(768)
        work.attention(1024, 768, True)
        work.norm(768)
        work.dense_steps(1024, 768, 3072)
        work.dense_steps(1024, 3072, 768)
    work.norm(768)
    work.products.append(1024 * 768 * 50304)
    return work


def update_work():
    work = Work()
    for _ in range(8):
        work.dense(4096, 4096)
    work.dense(4096, 10)
    return work


def recommender_work():
    work = Work()
    work.embedding(100000, 64)
    work.embedding(50000, 64)
    work.dense(128, 128)
    work.dense(128, 64)
    work.dense(64, 5)
    return work


def image(*shape):
    return (Input(shape),)


def words(steps, below):
    return (Input((steps,), below),)


REVIEW = words(80, 20000)
TEXT = words(128, 8192)

for net in (
    Net("mlp", "bench/nets/mlp.ini", image(28, 28, 1), (), 10, (1, 32, 128), "adam", mlp_work(),
        {1: 0.25, 32: 0.4, 128: 0.65}, gpu_aims={1: 0.33, 32: 0.33, 128: 0.33}),
    Net("cnn", "bench/nets/cnn.ini", image(28, 28, 1), (), 10, (128,), "adam", cnn_work(), {128: 0.6}),
    Net("resnet20", "bench/nets/resnet20.ini", image(32, 32, 3), (), 10, (128,), "sgd", resnet20_work(), {128: 0.75}),
    Net("resnet50", "examples/resnet50.ini", image(224, 224, 3), (), 1000, (8,), "nesterov", resnet50_work(), {8: 0.8}),
    Net("lstm", "bench/nets/lstm.ini", REVIEW, (), 2, (32,), "adam", recurrent_work(4, 1, 1), {32: 0.95},
        gpu_aims={32: 1.0, 256: 1.0}),
    Net("gru", "bench/nets/gru.ini", REVIEW, (), 2, (32,), "adam", recurrent_work(3, 2, 2), {32: 0.9}),
    Net("transformer", "bench/nets/transformer.ini", TEXT, (), 2, (32,), "adam", transformer_work(), {32: 0.8}),
    Net("language", "bench/nets/language.ini", TEXT, (128,), 8192, (8,), "adam", language_work(), {8: 0.8}),
    Net("transformer_bf16", "bench/nets/transformer.ini", TEXT, (), 2, (32,), "adam", transformer_work(), {32: 0.8},
        policy="mixed_bfloat16"),
    Net("language_bf16", "bench/nets/language.ini", TEXT, (128,), 8192, (8,), "adam", language_work(), {8: 0.8},
        policy="mixed_bfloat16"),
    Net("recommender", "bench/nets/recommender.ini", (Input((), 100000), Input((), 50000)), (), 5, (1024,), "adam",
        recommender_work(), {1024: 0.9}),
    Net("resnet50_bf16", "examples/resnet50.ini", image(224, 224, 3), (), 1000, (), "nesterov", resnet50_work(), {},
        policy="mixed_bfloat16", gpu_aims={64: 1.0, 256: 1.0}),
    Net("gpt2_bf16", "bench/nets/gpt2.ini", words(1024, 50304), (1024,), 50304, (), "adam", gpt2_work(), {},
        policy="mixed_bfloat16", gpu_aims={8: 1.0}),
    Net("update", "bench/nets/update.ini", (Input((4096,)),), (), 10, (), "adam", update_work(), {}, gpu_aims={1: 1.0}),
):
    BENCH_NETS[net.name] = net
