#!/usr/bin/env bash
# Writes the typed layers of the C API from the program's option tables: include/kdist_layers.h, a header for each group of
# classes, and api/layers.def.
#   api/generate.sh            in place
#   api/generate.sh FOLDER     elsewhere (tests/api/test_generated.sh compares)
# The program is $KDIST, else build/bin/kdist. Needs clang-format.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$root}
kdist=${KDIST:-$root/build/bin/kdist}
[ -x "$kdist" ] || { echo "generate.sh: $kdist is not there: build it, or set KDIST" >&2; exit 1; }

# Groups of classes, in the order of the header. A class that stands in none comes last, so that none is forgotten.
groups='Dense layers and look-up: Dense EinsumDense Embedding ReversibleEmbedding PositionEmbedding SinePositionEncoding
Convolution: Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose DepthwiseConv1D DepthwiseConv2D
Convolution: SeparableConv1D SeparableConv2D
Pooling: MaxPooling1D MaxPooling2D MaxPooling3D AveragePooling1D AveragePooling2D AveragePooling3D GlobalMaxPooling1D
Pooling: GlobalMaxPooling2D GlobalMaxPooling3D GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
Pooling: AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D AdaptiveAveragePooling1D AdaptiveAveragePooling2D
Pooling: AdaptiveAveragePooling3D
Resizing: UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D Cropping1D Cropping2D Cropping3D
Recurrence: SimpleRNN LSTM GRU RNN Bidirectional TimeDistributed Masking
Attention: MultiHeadAttention GroupQueryAttention Attention AdditiveAttention
Normalisation: BatchNormalization LayerNormalization GroupNormalization RMSNormalization UnitNormalization
Normalisation: SpectralNormalization Normalization Rescaling LayerScale
Activations: Activation ReLU LeakyReLU ELU PReLU Softmax
Regularisation: Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D GaussianDropout GaussianNoise AlphaDropout
Regularisation: ActivityRegularization
Shapes and products: Flatten Reshape Permute RepeatVector Identity Dot'
# These are no typed layers: kd_net_input, and the macros of kdist.h for merging.
others='InputLayer Add Average Concatenate Maximum Minimum Multiply Subtract'

# Keras class and name in C of every layer: layers.def has the order of `kdist layers`.
names=$(paste -d ' ' <("$kdist" layers | sed -n '/^layers:/,/^$/s/^  \([A-Za-z0-9]*\) .*/\1/p') \
  <(sed -n 's/^KD_LAYER(\(.*\))$/\1/p' "$root/layers/kinds/layers.def"))

# A line "# text" begins a group; else: name in C, Keras class.
classes() {
  awk -v groups="$groups" -v others="$others" '
    { id[$1] = $2; order[++n] = $1 }
    END {
      n_other = split(others, other, " ")
      for (i = 1; i <= n_other; i++) done[other[i]] = 1
      n_lines = split(groups, line, "\n")
      for (i = 1; i <= n_lines; i++) {
        group = line[i]; sub(/:.*/, "", group)
        if (group != last) print "# " group
        last = group
        sub(/^[^:]*: /, "", line[i])
        count = split(line[i], class, " ")
        for (k = 1; k <= count; k++) { print id[class[k]], class[k]; done[class[k]] = 1 }
      }
      for (i = 1; i <= n; i++) if (!done[order[i]]) { if (!more++) print "# More"; print id[order[i]], order[i] }
    }' <<<"$names"
}

# The tensors of a call by position; what ends with ? may be left out.
inputs() { # CLASS
  case $1 in
    MultiHeadAttention | GroupQueryAttention) echo "query value" ;;
    Attention | AdditiveAttention) echo "query value key?" ;;
    Dot) echo "a b" ;;
    *) echo "x" ;;
  esac
}

# From `kdist layers CLASS`: the help, then one line an option or call argument: name, type, needed or not.
# Types: int, ints (one for each spatial axis, or for any axes), float, on (default false), off (default true), text (written as it
# is), quoted; of call arguments tensor, tensors, call_int, call_text, call_on.
options() { # CLASS
  "$kdist" layers "$1" | awk -v class="$1" '
    index($0, class " (layer): ") == 1 { print substr($0, length(class) + 11); on = 1; next }
    /^$/ { on = 0 }
    on && /^  call: / {
      rest = substr($0, 32)
      print $2, (rest ~ /^list/ ? "tensors" : rest ~ /^tensor/ ? "tensor" : rest ~ /^int/ ? "call_int" : rest ~ /^true, false or none/ ? "call_text" : "call_on"), "free"
      next
    }
    on && /^  [a-z_]+ / {
      rest = substr($0, 32)
      if ($1 ~ /^(data_format|unroll|use_cudnn)$/) next
      type = rest ~ /^int or list of ints, each in \[0/ ? "text" : \
             rest ~ /^int or list/ ? (class ~ /1D/ ? "int" : "ints") : rest ~ /^int/ ? "int" : \
             rest ~ /^float or/ ? "text" : rest ~ /^float/ ? "float" : rest ~ /^text/ ? "quoted" : \
             rest ~ /^true or false +true/ ? "off" : rest ~ /^true or false/ ? "on" : "text"
      print $1, type, rest ~ / required  / ? "needed" : "free"
    }'
}

# The file of a group is named by its first word.
group_file() { tr '[:upper:]' '[:lower:]' <<<"kdist_layers_${1%% *}.h"; }

header() {
  cat <<'TEXT'
/* Layers with typed options: kd_conv2d(x, 32, {3, 3}, .activation = "relu").
 *
 * Made by api/generate.sh from the option tables, which `kdist layers CLASS` and docs/layers.md show with types,
 * ranges, defaults and meanings. Every field is Keras's argument of that name; what is left out, zero or NULL is
 * Keras's default. What is on by default is switched off: no_bias = true is use_bias=false. Arguments that Keras
 * requires stand behind x without a name. A list of integers ends at its first zero; a single one, {3}, stands
 * for all axes. Activations, initializers, regularizers and layers are texts: "relu", "HeNormal(seed=1)",
 * "L2(1e-4)", "LSTM(32)"; so are numbers that may be 0: "(0, 2)". Every macro also takes .name, the layer's name, and .more, further arguments as text:
 * "epsilon=0, trainable=false".
 *
 * Call arguments are fields too, behind .more: .use_causal_mask = true, .mask = steps, .initial_state = {h, c}; tensors
 * that are left out are none. .training = "true" or "false". return_attention_scores: kd_net_result(y, 1).
 *
 * All return the layer's first output and record errors in the net (kd_net_status). Shapes are those of Keras,
 * channels last. Local. Included by kdist.h, which has macros for merging: kd_add, kd_concatenate ... */
#ifndef KDIST_LAYERS_H
#define KDIST_LAYERS_H

TEXT
  classes | while read -r id group; do
    [ "$id" != "#" ] || printf '#include "%s"\n' "$(group_file "$group")"
  done
  printf '\n#endif\n'
}

# The classes of one group.
group_header() { # GROUP
  local guard
  guard=$(group_file "$1" | tr 'a-z.' 'A-Z_')
  cat <<TEXT
/* $1, with typed options: see kdist_layers.h. Made by api/generate.sh. */
#ifndef $guard
#define $guard

#include "kdist.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

TEXT
  classes | while read -r id class; do
    [ "$id" = "#" ] && group=$class && continue
    [ "$group" = "$1" ] || continue
    options "$class" | awk -v id="$id" -v class="$class" -v inputs="$(inputs "$class")" '
      function flush_fields() { if (fields) body = body "  " held " " fields ";\n"; fields = held = "" }
      function field(type, name) {
        if (type != held) flush_fields()
        held = type
        fields = fields (fields ? ", " : "") (type == "const char" ? "*" : "") name
      }
      NR == 1 {
        help = $0
        count = split(inputs, input, " ")
        for (i = 1; i <= count; i++) if (input[i] !~ /\?/) needed[++n] = input[i]
        for (i = 1; i <= count; i++) { sub(/\?/, "", input[i]); field("kd_out", input[i]) }
        next
      }
      {
        name = $1
        if ($2 == "int") field("int64_t", name)
        if ($2 == "ints") field("int64_t", name (class ~ /2D/ ? "[2]" : class ~ /3D/ ? "[3]" : "[KD_MAX_RANK]"))
        if ($2 == "float") field("double", name)
        if ($2 == "on") field("bool", name)
        if ($2 == "off") { sub(/^use_/, "", name); field("bool", "no_" name) }
        if ($2 == "text" || $2 == "quoted") field("const char", name)
        if ($2 ~ /^(tensor|call)/) call[++calls] = $0
        if ($3 == "needed") needed[++n] = $1
      }
      END {
        field("const char", "name")
        field("const char", "more")
        for (i = 1; i <= calls; i++) {
          split(call[i], part, " ")
          if (part[2] == "tensor") field("kd_out", part[1])
          if (part[2] == "tensors") field("kd_out", part[1] "[8]")
          if (part[2] == "call_int") field("int64_t", part[1])
          if (part[2] == "call_text") field("const char", part[1])
          if (part[2] == "call_on") field("bool", part[1])
        }
        flush_fields()
        for (i = 1; i <= n; i++) usage = usage (i > 1 ? ", " : "") needed[i]
        for (i = 1; i < n; i++) {
          parameters = parameters needed[i] "_, "
          values = values "." needed[i] " = (" needed[i] "_), "
        }
        printf "/* %s: %s. kd_%s(%s, ...) */\n", class, help, id, usage
        printf "typedef struct kd_%s_args {\n%s} kd_%s_args;\n", id, body, id
        printf "kd_out kd_%s_call(kd_%s_args args);\n", id, id
        printf "#define kd_%s(%s...) kd_%s_call(KD_ARGS(kd_%s_args, %s.%s = __VA_ARGS__))\n\n", id, parameters, id, id, values, needed[n]
      }'
  done
  cat <<TEXT
#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
TEXT
}

table() {
  echo '/* Made by api/generate.sh: how the fields of include/kdist_layers_*.h are written as Keras arguments. */'
  classes | while read -r id class; do
    [ "$id" = "#" ] && continue
    options "$class" | awk -v id="$id" -v class="$class" -v inputs="$(inputs "$class")" '
      NR == 1 {
        gsub(/\?/, "", inputs)
        gsub(/ /, ", a.", inputs)
        printf "LAYER(%s, \"%s\", INPUTS(a.%s)", id, class, inputs
        next
      }
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
formatted() { clang-format --style="file:$root/.clang-format"; }
header | formatted >"$out/include/kdist_layers.h"
classes | while read -r id group; do
  [ "$id" != "#" ] || group_header "$group" | formatted >"$out/include/$(group_file "$group")"
done
table | fold -s -w 110 | sed 's/ *$//; /^[^L/]/s/^/    /' >"$out/api/layers.def"
