"""Keras on the nets of bench/nets.py, on the backend that KERAS_BACKEND names (jax or tensorflow).

Ways that are tried: a compiled training step over Keras's model, loss and optimizer (what Keras's documentation calls a
custom training loop), and Model.fit.
"""

import os

from nets import BENCH_NETS
from peer import arguments, check_weights, made_batches, run

args = arguments(__doc__, ("all", "fit", "loop"))
backend = os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["JAX_PLATFORMS"] = "cpu"

import keras  # noqa: E402  (after the backend is set)
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402

if backend == "tensorflow":
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
else:
    import jax


def mlp(x):
    x = layers.Flatten()(layers.Rescaling(1 / 255)(x))
    x = layers.Dropout(0.2)(layers.Dense(256, activation="relu")(x))
    return layers.Dense(10)(layers.Dense(128, activation="relu")(x))


def cnn(x):
    x = layers.Rescaling(1 / 255)(x)
    for filters in (32, 64):
        x = layers.MaxPooling2D(2)(layers.Conv2D(filters, 3, padding="same", activation="relu")(x))
    return layers.Dense(10)(layers.Dense(128, activation="relu")(layers.Flatten()(x)))


def conv_bn(x, filters, kernel=3, stride=1, relu=True):
    x = layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return layers.Activation("relu")(x) if relu else x


def resnet20(x):
    x = conv_bn(x, 16)
    for filters in (16, 32, 64):
        for copy in range(3):
            project = filters > 16 and copy == 0
            stride = 2 if project else 1
            y = conv_bn(conv_bn(x, filters, 3, stride), filters, relu=False)
            x = conv_bn(x, filters, 1, stride, relu=False) if project else x
            x = layers.Activation("relu")(layers.Add()([y, x]))
    return layers.Dense(10)(layers.GlobalAveragePooling2D()(x))


def resnet50(x):
    x = layers.MaxPooling2D(3, 2, padding="same")(conv_bn(x, 64, 7, 2))
    for filters, repeat in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for copy in range(repeat):
            stride = 2 if filters > 64 and copy == 0 else 1
            y = conv_bn(conv_bn(x, filters, 1), filters, 3, stride)
            y = conv_bn(y, 4 * filters, 1, relu=False)
            x = conv_bn(x, 4 * filters, 1, stride, relu=False) if copy == 0 else x
            x = layers.Activation("relu")(layers.Add()([y, x]))
    return layers.Dense(1000)(layers.GlobalAveragePooling2D()(x))


def lstm(x):
    return layers.Dense(2)(layers.LSTM(128)(layers.Embedding(20000, 128)(x)))


def gru(x):
    return layers.Dense(2)(layers.Bidirectional(layers.GRU(128))(layers.Embedding(20000, 128)(x)))


class Places(layers.Layer):
    """Adds a learnt vector to each step."""

    def build(self, shape):
        self.table = self.add_weight(name="embeddings", shape=shape[1:])

    def call(self, x):
        return x + self.table


def encoder(x, depth, width, heads, causal):
    x = Places()(layers.Embedding(8192, width)(x))
    for _ in range(depth):
        y = layers.LayerNormalization()(x)
        y = layers.MultiHeadAttention(heads, width // heads)(y, y, use_causal_mask=causal)
        x = layers.Add()([x, y])
        y = layers.Dense(4 * width, activation="gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(width)(y)])
    return layers.LayerNormalization()(x)


def transformer(x):
    return layers.Dense(2)(layers.GlobalAveragePooling1D()(encoder(x, 4, 128, 8, False)))


def language(x):
    return layers.Dense(8192)(encoder(x, 2, 512, 8, True))


def recommender(user, item):
    x = layers.Concatenate()([layers.Embedding(100000, 64)(user), layers.Embedding(50000, 64)(item)])
    return layers.Dense(5)(layers.Dense(64, activation="relu")(layers.Dense(128, activation="relu")(x)))


NETS = {"mlp": mlp, "cnn": cnn, "resnet20": resnet20, "resnet50": resnet50, "lstm": lstm, "gru": gru,
        "transformer": transformer, "transformer_bf16": transformer, "language": language, "language_bf16": language,
        "recommender": recommender}


def make_optimizer(kind):
    if kind == "adam":
        return keras.optimizers.Adam(1e-3)
    nesterov = {"nesterov": True, "weight_decay": 5e-5} if kind == "nesterov" else {}
    return keras.optimizers.SGD(0.1, momentum=0.9, **nesterov)


def one_or_list(parts):
    return parts[0] if len(parts) == 1 else parts


def make_model(net):
    keras.utils.set_random_seed(7)
    keras.config.set_dtype_policy(net.policy)
    given = [keras.Input(part.shape, dtype="int32" if part.below else "float32") for part in net.inputs]
    model = keras.Model(one_or_list(given), NETS[net.name](*given))
    check_weights(net, sum(int(np.prod(v.shape)) for v in model.trainable_variables))
    return model


def jax_loop(net):
    """One jitted function of the whole state; the old state's memory is reused."""
    model, optimizer = make_model(net), make_optimizer(net.optimizer)
    optimizer.build(model.trainable_variables)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    data = [(one_or_list([jax.numpy.asarray(part) for part in x]), jax.numpy.asarray(y))
            for x, y in made_batches(net, args.batch)]

    def objective(trainable, other, x, y):
        logits, other = model.stateless_call(trainable, other, x, training=True)
        return loss_of(y, logits), (other, (logits.argmax(-1) == y).sum())

    gradient = jax.value_and_grad(objective, has_aux=True)

    def train(state, x, y):
        trainable, other, slots, totals = state
        (loss, (other, right)), gradients = gradient(trainable, other, x, y)
        trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)
        return trainable, other, slots, (totals[0] + loss, totals[1] + right)

    train = jax.jit(train, donate_argnums=0)
    values = [[v.value for v in part]
              for part in (model.trainable_variables, model.non_trainable_variables, optimizer.variables)]
    state = [*values, (jax.numpy.zeros(()), jax.numpy.zeros((), jax.numpy.int32))]

    def step(number):
        nonlocal state
        state = train(state, *data[number % len(data)])

    return step, lambda: jax.block_until_ready(state)


def tensorflow_loop(net, xla):
    model, optimizer = make_model(net), make_optimizer(net.optimizer)
    optimizer.build(model.trainable_variables)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    data = [(one_or_list([tf.constant(part) for part in x]), tf.constant(y)) for x, y in made_batches(net, args.batch)]
    totals = tf.Variable(0.0), tf.Variable(0)

    @tf.function(jit_compile=xla)
    def train(x, y):
        with tf.GradientTape() as tape:
            logits = model(x, training=True)
            loss = loss_of(y, logits)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        right = tf.reduce_sum(tf.cast(tf.argmax(logits, -1, tf.int32) == y, tf.int32))
        totals[0].assign_add(loss)
        totals[1].assign_add(right)
        return loss

    last = None

    def step(number):
        nonlocal last
        last = train(*data[number % len(data)])

    return step, lambda: last.numpy()


def compiled(net):
    model = make_model(net)
    model.compile(make_optimizer(net.optimizer), keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  metrics=["accuracy"])
    return model


def fit_loop(net):
    """Model.fit; a step of the timing is one call over enough batches that the call's own cost is small."""
    model = compiled(net)
    parts = made_batches(net, args.batch)
    large = net.work.step_flops(args.batch) > 1e10
    repeat = 1 if large else max(1, 64 // (len(parts) * max(1, args.batch // 16)))
    x = one_or_list([np.concatenate(part * repeat) for part in zip(*(p[0] for p in parts))])
    y = np.concatenate([p[1] for p in parts] * repeat)

    def step(number):
        model.fit(x, y, batch_size=args.batch, epochs=1, shuffle=False, verbose=0)

    step.batches = len(y) // args.batch
    return step, lambda: None


def first_fit(net):
    """Model.fit on one batch: the plain way, for the time to the first step."""
    model = compiled(net)
    data = made_batches(net, args.batch)

    def step(number):
        x, y = data[number % len(data)]
        model.fit(one_or_list(x), y, batch_size=args.batch, epochs=1, shuffle=False, verbose=0)

    return step, lambda: None


def variants(net):
    if args.plain:
        return [("fit", lambda: first_fit(net))]
    fit = ("fit", lambda: fit_loop(net))
    if backend == "tensorflow":
        loops = [("tf.function", lambda: tensorflow_loop(net, False)), ("tf.function xla", lambda: tensorflow_loop(net, True))]
    else:
        loops = [("jitted loop", lambda: jax_loop(net))]
    return [fit] if args.mode == "fit" else loops if args.mode == "loop" else [*loops, fit]


run(args, variants(BENCH_NETS[args.net]), {"system": f"keras {keras.__version__} {backend}"})
