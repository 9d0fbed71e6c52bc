#include "launch/plot/family.h"

#include <string.h>

const kd_plot_colours kd_plot_colours_of[KD_PLOT_FAMILIES] = {
    [KD_PLOT_INPUT] = {"input", "#e8e8e8", "#7a7a7a"},
    [KD_PLOT_DENSE] = {"dense", "#cfe0f7", "#4a78b5"},
    [KD_PLOT_CONV] = {"convolution", "#c9ebe4", "#2f8f7d"},
    [KD_PLOT_RECURRENT] = {"recurrent", "#f6d3dc", "#b54a68"},
    [KD_PLOT_ATTENTION] = {"attention", "#f3cfee", "#a04a97"},
    [KD_PLOT_EMBEDDING] = {"embedding", "#e0e5b8", "#7d8630"},
    [KD_PLOT_NORM] = {"normalization", "#fdf0c4", "#b8963a"},
    [KD_PLOT_ACTIVATION] = {"activation", "#fbdfc3", "#c27b36"},
    [KD_PLOT_POOLING] = {"pooling", "#f7d0cb", "#b9564a"},
    [KD_PLOT_MERGE] = {"merge", "#dcd5f4", "#6d5cb0"},
    [KD_PLOT_RESHAPE] = {"reshape", "#d9e6ec", "#5f8394"},
    [KD_PLOT_NOISE] = {"regularization", "#e6dfd8", "#8a7563"},
    [KD_PLOT_OTHER] = {"other", "#f2f2f2", "#8a8a8a"},
    [KD_PLOT_BLOCK] = {"block", "#ffffff", "#44505c"},
};

/* The first rule whose text stands in the name of the class decides. */
static const struct {
  const char *part;
  kd_plot_family family;
} rules[] = {
    {"InputLayer", KD_PLOT_INPUT},
    {"Normalization", KD_PLOT_NORM},
    {"Attention", KD_PLOT_ATTENTION},
    {"Embedding", KD_PLOT_EMBEDDING},
    {"Encoding", KD_PLOT_EMBEDDING},
    {"Dropout", KD_PLOT_NOISE},
    {"Noise", KD_PLOT_NOISE},
    {"Regularization", KD_PLOT_NOISE},
    {"Pooling", KD_PLOT_POOLING},
    {"Conv", KD_PLOT_CONV},
    {"Dense", KD_PLOT_DENSE},
    {"LSTM", KD_PLOT_RECURRENT},
    {"GRU", KD_PLOT_RECURRENT},
    {"RNN", KD_PLOT_RECURRENT},
    {"Bidirectional", KD_PLOT_RECURRENT},
    {"TimeDistributed", KD_PLOT_RECURRENT},
    {"Activation", KD_PLOT_ACTIVATION},
    {"ReLU", KD_PLOT_ACTIVATION},
    {"ELU", KD_PLOT_ACTIVATION},
    {"Softmax", KD_PLOT_ACTIVATION},
    {"Add", KD_PLOT_MERGE},
    {"Average", KD_PLOT_MERGE},
    {"Concatenate", KD_PLOT_MERGE},
    {"Dot", KD_PLOT_MERGE},
    {"Maximum", KD_PLOT_MERGE},
    {"Minimum", KD_PLOT_MERGE},
    {"Multiply", KD_PLOT_MERGE},
    {"Subtract", KD_PLOT_MERGE},
    {"Cropping", KD_PLOT_RESHAPE},
    {"Flatten", KD_PLOT_RESHAPE},
    {"Padding", KD_PLOT_RESHAPE},
    {"Permute", KD_PLOT_RESHAPE},
    {"RepeatVector", KD_PLOT_RESHAPE},
    {"Reshape", KD_PLOT_RESHAPE},
    {"UpSampling", KD_PLOT_RESHAPE},
};

kd_plot_family kd_plot_family_of(const char *type) {
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
    if (strstr(type, rules[i].part)) return rules[i].family;
  return KD_PLOT_OTHER;
}
