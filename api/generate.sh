#!/usr/bin/env bash
# Writes the typed layers of the C API from the program's option tables: include/kdist_layers.h and api/layers.def.
#   api/generate.sh            in place
#   api/generate.sh FOLDER     elsewhere (tests/api/test_generated.sh compares)
# The program is $KDIST, else build/bin/kdist. Needs clang-format.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$root}
kdist=${KDIST:-$root/build/bin/kdist}
[ -x "$kdist" ] || { echo "generate.sh: $kdist is not there: build it, or set KDIST" >&2; exit 1; }

# A line "# text" begins a group; else: name in C, Keras class.
classes() {
  cat <<'TEXT'
# Dense layers and look-up
dense Dense
embedding Embedding
# Convolution
conv1d Conv1D
conv2d Conv2D
conv2d_transpose Conv2DTranspose
depthwise_conv2d DepthwiseConv2D
separable_conv2d SeparableConv2D
# Pooling and resizing
max_pooling1d MaxPooling1D
max_pooling2d MaxPooling2D
average_pooling2d AveragePooling2D
global_average_pooling1d GlobalAveragePooling1D
global_average_pooling2d GlobalAveragePooling2D
global_max_pooling1d GlobalMaxPooling1D
global_max_pooling2d GlobalMaxPooling2D
up_sampling2d UpSampling2D
zero_padding2d ZeroPadding2D
# Recurrence
simple_rnn SimpleRNN
lstm LSTM
gru GRU
bidirectional Bidirectional
time_distributed TimeDistributed
masking Masking
# Normalisation
batch_normalization BatchNormalization
layer_normalization LayerNormalization
group_normalization GroupNormalization
rms_normalization RMSNormalization
rescaling Rescaling
# Activations
activation Activation
relu ReLU
leaky_relu LeakyReLU
softmax Softmax
# Regularisation
dropout Dropout
spatial_dropout2d SpatialDropout2D
gaussian_noise GaussianNoise
# Shapes
flatten Flatten
reshape Reshape
permute Permute
repeat_vector RepeatVector
TEXT
}

# From `kdist layers CLASS`: the help, then one line an option: name, type, needed or not.
# Types: int, ints (one for each spatial axis, or for any axes), float, on (default false), off (default true), text.
options() { # CLASS
  "$kdist" layers "$1" | awk -v class="$1" '
    index($0, class " (layer): ") == 1 { print substr($0, length(class) + 11); on = 1; next }
    /^$/ { on = 0 }
    on && /^  [a-z_]+ / {
      rest = substr($0, 32)
      if ($1 ~ /^(data_format|unroll|use_cudnn)$/) next
      type = rest ~ /^int or list/ ? (class ~ /1D/ ? "int" : "ints") : rest ~ /^int/ ? "int" : \
             rest ~ /^float or/ ? "text" : rest ~ /^float/ ? "float" : \
             rest ~ /^true or false +true/ ? "off" : rest ~ /^true or false/ ? "on" : "text"
      print $1, type, rest ~ / required  / ? "needed" : "free"
    }'
}

header() {
  cat <<'TEXT'
/* The usual layers with typed options: kd_conv2d(x, 32, {3, 3}, .activation = "relu").
 *
 * Made by api/generate.sh from the option tables, which `kdist layers CLASS` and docs/layers.md show with types,
 * ranges, defaults and meanings. Every field is Keras's argument of that name; what is left out, zero or NULL is
 * Keras's default. What is on by default is switched off: no_bias = true is use_bias=false. Arguments that Keras
 * requires stand behind x without a name. A list of integers ends at its first zero; a single one, {3}, stands
 * for all axes. Activations, initializers, regularizers and layers are texts: "relu", "HeNormal(seed=1)",
 * "L2(1e-4)", "LSTM(32)". Every macro also takes .name, the layer's name, and .more, further arguments as text:
 * "epsilon=0, trainable=false".
 *
 * All return the layer's first output and record errors in the net (kd_net_status). Shapes are those of Keras,
 * channels last. Local. Included by kdist.h; all other classes: kd_net_layer. */
#ifndef KDIST_LAYERS_H
#define KDIST_LAYERS_H

#include "kdist.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)
TEXT
  classes | while read -r id class; do
    if [ "$id" = "#" ]; then
      printf '\n/* --- %s --- */\n\n' "$class"
      continue
    fi
    options "$class" | awk -v id="$id" -v class="$class" '
      function flush_fields() { if (fields) body = body "  " held " " fields ";\n"; fields = held = "" }
      function field(type, name) {
        if (type != held) flush_fields()
        held = type
        fields = fields (fields ? ", " : "") (type == "const char" ? "*" : "") name
      }
      NR == 1 { help = $0; next }
      {
        name = $1
        if ($2 == "int") field("int64_t", name)
        if ($2 == "ints") field("int64_t", name (class ~ /2D/ ? "[2]" : "[KD_MAX_RANK]"))
        if ($2 == "float") field("double", name)
        if ($2 == "on") field("bool", name)
        if ($2 == "off") { sub(/^use_/, "", name); field("bool", "no_" name) }
        if ($2 == "text") field("const char", name)
        if ($3 == "needed") needed[++n] = $1
      }
      END {
        field("const char", "name")
        field("const char", "more")
        flush_fields()
        for (i = 1; i <= n; i++) usage = usage ", " needed[i]
        parameters = n ? "x_, " : ""
        values = n ? "(x_), " : ""
        for (i = 1; i < n; i++) {
          parameters = parameters needed[i] "_, "
          values = values "." needed[i] " = (" needed[i] "_), "
        }
        if (n) values = values "." needed[n] " = "
        printf "/* %s: %s. kd_%s(x%s, ...) */\n", class, help, id, usage
        printf "typedef struct kd_%s_args {\n  kd_out x;\n%s} kd_%s_args;\n", id, body, id
        printf "kd_out kd_%s_call(kd_%s_args args);\n", id, id
        printf "#define kd_%s(%s...) kd_%s_call(KD_ARGS(kd_%s_args, .x = %s__VA_ARGS__))\n\n", id, parameters, id, id, values
      }'
  done
  cat <<'TEXT'
#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
TEXT
}

table() {
  echo '/* Made by api/generate.sh: how the fields of include/kdist_layers.h are written as Keras arguments. */'
  classes | while read -r id class; do
    [ "$id" = "#" ] && continue
    options "$class" | awk -v id="$id" -v class="$class" '
      NR == 1 { printf "LAYER(%s, \"%s\"", id, class; next }
      {
        name = $1
        sub(/^use_/, "", name)
        if ($2 == "off") printf ", OFF(%s, no_%s)", $1, name
        else printf ", %s%s(%s)", $3 == "needed" && $2 ~ /^(int|float)$/ ? "NEEDED_" : "", toupper($2), $1
      }
      END { print ", LAST)" }'
  done
}

mkdir -p "$out/include" "$out/api"
header | clang-format --style="file:$root/.clang-format" >"$out/include/kdist_layers.h"
table | fold -s -w 110 | sed 's/ *$//; /^[^L/]/s/^/    /' >"$out/api/layers.def"
