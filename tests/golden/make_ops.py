"""Values of primitives computed by JAX in double precision: ops.txt, one case a line (name, then values).

Inputs are a formula that the test repeats: element i of input k is sin(1.3 i + k)."""
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)


def x(k, *shape):
    return jnp.sin(1.3 * np.arange(np.prod(shape, dtype=int)) + k).reshape(shape)


def conv(a, b, stride, padding, dilation, groups):
    letters = "DHW"[-len(stride):]
    layout = ("N" + letters + "C", letters + "IO", "N" + letters + "C")
    return jax.lax.conv_general_dilated(a, b, stride, padding, rhs_dilation=dilation, dimension_numbers=layout,
                                        feature_group_count=groups)


def max_pool(a, window, stride, padding):
    full = ((0, 0),) + padding + ((0, 0),)
    return jax.lax.reduce_window(a, -jnp.inf, jax.lax.max, (1,) + window + (1,), (1,) + stride + (1,), full)


def mean_pool(a, window, stride, padding):
    full = ((0, 0),) + padding + ((0, 0),)
    total = lambda v: jax.lax.reduce_window(v, 0.0, jax.lax.add, (1,) + window + (1,), (1,) + stride + (1,), full)
    return total(a) / total(jnp.ones_like(a))


def gradient(function, like):
    """d sum(y * sin(1.3 i + 9)) / d input."""
    y, back = jax.vjp(function, like)
    return back(x(9, *y.shape))[0]


def batch_norm(a, gamma, beta):
    axes = tuple(range(a.ndim - 1))
    mean, var = a.mean(axes), a.var(axes)
    return (a - mean) / jnp.sqrt(var + 0.125) * gamma + beta


def layer_norm(a, gamma, beta):
    mean, var = a.mean(-1, keepdims=True), a.var(-1, keepdims=True)
    return (a - mean) / jnp.sqrt(var + 0.125) * gamma + beta


LABELS = jnp.array([2, 0, 1, 3])


def xent(a):
    return -jax.nn.log_softmax(a)[jnp.arange(4), LABELS]


cases = {
    "matmul": x(0, 2, 3, 4) @ x(1, 4, 5),
    "matmul_transposed": jnp.swapaxes(x(0, 2, 1, 4, 3), -1, -2) @ jnp.swapaxes(x(1, 3, 5, 4), -1, -2),
    "conv1d": conv(x(0, 2, 6, 3), x(1, 3, 3, 2), (2,), ((1, 2),), (1,), 1),
    "conv2d": conv(x(0, 2, 6, 7, 4), x(1, 3, 2, 2, 4), (2, 3), ((1, 2), (0, 1)), (2, 1), 2),
    "conv3d": conv(x(0, 1, 3, 4, 3, 2), x(1, 2, 2, 2, 2, 2), (1, 2, 1), ((0, 0), (0, 1), (0, 0)), (1, 1, 1), 1),
    "conv2d_dx": gradient(lambda a: conv(a, x(1, 3, 2, 2, 4), (2, 3), ((1, 2), (0, 1)), (2, 1), 2), x(0, 2, 6, 7, 4)),
    "conv2d_dkernel": gradient(lambda b: conv(x(0, 2, 6, 7, 4), b, (2, 3), ((1, 2), (0, 1)), (2, 1), 2),
                               x(1, 3, 2, 2, 4)),
    "max_pool": max_pool(x(0, 2, 4, 5, 2), (3, 2), (1, 2), ((1, 1), (0, 1))),
    "max_pool_dx": gradient(lambda a: max_pool(a, (3, 2), (1, 2), ((1, 1), (0, 1))), x(0, 2, 4, 5, 2)),
    "mean_pool": mean_pool(x(0, 2, 4, 5, 2), (3, 2), (1, 2), ((1, 1), (0, 1))),
    "mean_pool_dx": gradient(lambda a: mean_pool(a, (3, 2), (1, 2), ((1, 1), (0, 1))), x(0, 2, 4, 5, 2)),
    "batch_norm": batch_norm(x(0, 3, 2, 4), x(1, 4), x(2, 4)),
    "batch_norm_dx": gradient(lambda a: batch_norm(a, x(1, 4), x(2, 4)), x(0, 3, 2, 4)),
    "batch_norm_dgamma": gradient(lambda a: batch_norm(x(0, 3, 2, 4), a, x(2, 4)), x(1, 4)),
    "layer_norm": layer_norm(x(0, 3, 2, 4), x(1, 4), x(2, 4)),
    "layer_norm_dx": gradient(lambda a: layer_norm(a, x(1, 4), x(2, 4)), x(0, 3, 2, 4)),
    "layer_norm_dgamma": gradient(lambda a: layer_norm(x(0, 3, 2, 4), a, x(2, 4)), x(1, 4)),
    "softmax": jax.nn.softmax(x(0, 3, 5)),
    "softmax_dx": gradient(jax.nn.softmax, x(0, 3, 5)),
    "log_softmax": jax.nn.log_softmax(x(0, 3, 5)),
    "log_softmax_dx": gradient(jax.nn.log_softmax, x(0, 3, 5)),
    "xent": xent(x(0, 4, 5)),
    "xent_dx": gradient(xent, x(0, 4, 5)),
    "reduce_mean": x(0, 3, 4, 2).mean((0, 2)),
    "reduce_prod": x(0, 3, 4, 2).prod(1),
    "reduce_max": x(0, 3, 4, 2).max((1, 2)),
    "argmax": x(0, 3, 4, 2).argmax(1),
    "gather": jnp.take(x(0, 5, 3), LABELS, axis=0),
    "gather_dtable": gradient(lambda a: jnp.take(a, LABELS // 2, axis=0), x(0, 5, 3)),
    "transpose": jnp.transpose(x(0, 2, 3, 4), (2, 0, 1)),
    "slice": x(0, 7, 6)[1:6:2, 2:5],
    "slice_dx": gradient(lambda a: a[1:6:2, 2:5], x(0, 7, 6)),
    "pad": jnp.pad(x(0, 2, 3), ((0, 1), (2, 3)), constant_values=5),
    "concat": jnp.concatenate([x(0, 2, 3), x(1, 2, 2)], axis=1),
}

units = {
    "neg": jnp.negative, "abs": jnp.abs, "sign": jnp.sign, "square": jnp.square, "exp": jnp.exp,
    "expm1": jnp.expm1, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid, "softplus": jax.nn.softplus,
    "erf": jax.scipy.special.erf, "sin": jnp.sin, "cos": jnp.cos, "floor": jnp.floor, "relu": jax.nn.relu,
    "log1p": jnp.log1p, "round": lambda a: jnp.round(a),
}
for name, function in units.items():
    cases["pw_" + name] = function(x(0, 12))
pairs = {
    "add": jnp.add, "sub": jnp.subtract, "mul": jnp.multiply, "div": jnp.divide, "max": jnp.maximum,
    "min": jnp.minimum, "mod": jnp.mod, "lt": jnp.less, "le": jnp.less_equal, "eq": jnp.equal,
}
for name, function in pairs.items():
    cases["pw_" + name] = function(x(0, 3, 4), x(1, 4))

lines = []
for name, value in cases.items():
    numbers = np.asarray(value, dtype=np.float64).ravel()
    lines.append(name + " " + " ".join(repr(round(float(v), 14)) for v in numbers))
(pathlib.Path(__file__).parent / "ops.txt").write_text("\n".join(lines) + "\n")
