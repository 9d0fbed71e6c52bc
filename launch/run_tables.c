/* Option tables of the sections: names, types, defaults, ranges, help. */
#include "launch/run_config.h"
#include "layers/policy.h"

#define SIZE_LIMIT  2147483647.0
#define COUNT_LIMIT 9007199254740992.0 /* integers up to here are exact in double */

#define ROW(S, field, kind, start, text, ...)                                                                \
  { .name = #field, .type = kind, .offset = offsetof(S, field), .initial = start, .help = text, __VA_ARGS__ }
#define KIND(id, S, section, text)                                                                           \
  const kd_kind kd_##id##_section_kind = {                                                                   \
      .name = section, .help = text, .options = id##_table, .options_size = sizeof(S)}

static const kd_option run_table[] = {
    ROW(kd_run_options, name, KD_OPT_TEXT, "run", "name of the run"),
    ROW(kd_run_options, dir, KD_OPT_TEXT, "none", "run folder; none: runs/NAME", .flags = KD_OPT_NONE_OK),
    ROW(kd_run_options, seed, KD_OPT_INT, "0", "seed of all random numbers", .min = 0, .max = COUNT_LIMIT),
    ROW(kd_run_options, log_level, KD_OPT_CHOICE, "none", "none: level of [log]",
        .choices = "error|warning|info|debug", .flags = KD_OPT_NONE_OK),
    {.name = NULL},
};
KIND(run, kd_run_options, "run", "name, folder and seed of a run");

static const kd_option data_table[] = {
    ROW(kd_data_options, format, KD_OPT_TEXT, "none", "idx, npy, npz, hdf5, csv or synthetic",
        .flags = KD_OPT_NONE_OK),
    ROW(kd_data_options, dir, KD_OPT_TEXT, "none", "folder of relative paths; none: the current one",
        .flags = KD_OPT_NONE_OK),
    {.name = "train",
     .type = KD_OPT_VALUE,
     .offset = offsetof(kd_data_options, train_value),
     .initial = "none",
     .help = "files or patterns"},
    {.name = "validation",
     .type = KD_OPT_VALUE,
     .offset = offsetof(kd_data_options, validation_value),
     .initial = "none",
     .help = "files or patterns"},
    {.name = "test",
     .type = KD_OPT_VALUE,
     .offset = offsetof(kd_data_options, test_value),
     .initial = "none",
     .help = "files or patterns"},
    ROW(kd_data_options, validation_split, KD_OPT_FLOAT, "0.0", "part of the training rows, from the end",
        .min = 0, .max = 1, .flags = KD_OPT_OPEN_MAX),
    ROW(kd_data_options, sample_weight, KD_OPT_TEXT, "none",
        "data set or column of the samples' weights; idx, npy: the file behind the labels",
        .flags = KD_OPT_NONE_OK),
    ROW(kd_data_options, samples, KD_OPT_INT, "1024", "rows of synthetic data", .min = 1, .max = COUNT_LIMIT),
    {.name = NULL},
};
KIND(data, kd_data_options, "data", "where samples come from");

static const kd_option train_table[] = {
    ROW(kd_train_options, epochs, KD_OPT_INT, "1", "epochs to train", .min = 1, .max = COUNT_LIMIT),
    ROW(kd_train_options, initial_epoch, KD_OPT_INT, "0", "epoch to start at", .min = 0, .max = COUNT_LIMIT),
    ROW(kd_train_options, batch_size, KD_OPT_INT, "32", "rows of a step, over all ranks", .min = 1,
        .max = SIZE_LIMIT),
    ROW(kd_train_options, validation_batch_size, KD_OPT_INT, "none", "none: batch_size", .min = 1,
        .max = SIZE_LIMIT, .flags = KD_OPT_NONE_OK),
    ROW(kd_train_options, micro_batch, KD_OPT_INT, "none", "rows of one pass on one rank; none: no limit",
        .min = 1, .max = SIZE_LIMIT, .flags = KD_OPT_NONE_OK),
    ROW(kd_train_options, recompute, KD_OPT_CHOICE, "none",
        "computed again in the backward pass instead of kept: all but products, or all; saves memory",
        .choices = "none|activations|all"),
    ROW(kd_train_options, shuffle, KD_OPT_BOOL, "true", "false: the order of the files"),
    ROW(kd_train_options, steps_per_epoch, KD_OPT_INT, "none", "none: all rows", .min = 1, .max = COUNT_LIMIT,
        .flags = KD_OPT_NONE_OK),
    ROW(kd_train_options, validation_steps, KD_OPT_INT, "none", "none: all rows", .min = 1,
        .max = COUNT_LIMIT, .flags = KD_OPT_NONE_OK),
    {.name = "validation_freq",
     .type = KD_OPT_VALUE,
     .offset = offsetof(kd_train_options, validation_freq_value),
     .initial = "1",
     .help = "every so many epochs, or a list of epochs from 1"},
    ROW(kd_train_options, optimizer, KD_OPT_VALUE, "rmsprop", "an optimizer"),
    ROW(kd_train_options, loss, KD_OPT_VALUE, "none", "a loss; several outputs: a list or dict(OUTPUT=loss)"),
    ROW(kd_train_options, loss_weights, KD_OPT_VALUE, "none",
        "several outputs: a list or dict(OUTPUT=weight)"),
    ROW(kd_train_options, metrics, KD_OPT_VALUE, "none", "metrics; several outputs: dict(OUTPUT=metrics)"),
    ROW(kd_train_options, weighted_metrics, KD_OPT_VALUE, "none",
        "metrics that see the samples' weights; several outputs: dict(OUTPUT=metrics)"),
    ROW(kd_train_options, class_weight, KD_OPT_VALUE, "none",
        "weights of the classes in the training loss, from class 0 on; classes behind the last weigh 1"),
    {.name = "save",
     .type = KD_OPT_VALUE,
     .offset = offsetof(kd_train_options, save_value),
     .initial = "model.weights.h5",
     .help = "files written at the end, in the run folder"},
    ROW(kd_train_options, dtype_policy, KD_OPT_CHOICE, "float32", "types of layers that have no dtype",
        .choices = KD_POLICY_CHOICES),
    ROW(kd_train_options, tf32, KD_OPT_BOOL, "false",
        "CUDA: products of float32 round their factors to TF32; faster, results differ from the CPU's"),
    ROW(kd_train_options, auto_scale_loss, KD_OPT_BOOL, "true",
        "mixed_float16: put a LossScaleOptimizer around the optimizer"),
    ROW(kd_train_options, keep, KD_OPT_INT, "2", "checkpoints that are kept", .min = 1, .max = 1e6),
    {.name = NULL},
};
KIND(train, kd_train_options, "train", "Keras's arguments of compile and fit");

static const kd_option distributed_table[] = {
    ROW(kd_distributed_options, device, KD_OPT_CHOICE, "auto",
        "where ranks compute; auto: cuda where a device is there", .choices = "auto|cpu|cuda"),
    ROW(kd_distributed_options, backend, KD_OPT_CHOICE, "auto",
        "who sums gradients; mpi: hosts; nccl: GPUs, one for each rank; auto: nccl where it can",
        .choices = "auto|mpi|nccl"),
    ROW(kd_distributed_options, determinism, KD_OPT_CHOICE, "run",
        "off: fastest; run: same bits at the same number of ranks; world: at any number",
        .choices = "off|run|world"),
    ROW(kd_distributed_options, shard, KD_OPT_CHOICE, "files",
        "files: every rank reads; coordinator: rank 0 reads for all", .choices = "files|coordinator"),
    ROW(kd_distributed_options, micro_shards, KD_OPT_INT, "8", "pieces of a batch under determinism = world",
        .min = 1, .max = 4096),
    ROW(kd_distributed_options, threads, KD_OPT_INT, "none",
        "threads of a rank; none: the cores it is bound to", .min = 1, .max = 4096, .flags = KD_OPT_NONE_OK),
    ROW(kd_distributed_options, timeout, KD_OPT_FLOAT, "600", "seconds of silence that end the job", .min = 0,
        .max = 1e9, .flags = KD_OPT_OPEN_MIN),
    ROW(kd_distributed_options, compress, KD_OPT_CHOICE, "none", "type of gradients on their way",
        .choices = "none"),
    ROW(kd_distributed_options, bucket_mb, KD_OPT_FLOAT, "none", "size of a gradient bucket; none: chosen",
        .min = 0, .max = 1e6, .flags = KD_OPT_OPEN_MIN | KD_OPT_NONE_OK),
    {.name = NULL},
};
KIND(distributed, kd_distributed_options, "distributed", "ranks and how they work together");

static const kd_option log_table[] = {
    ROW(kd_log_options, level, KD_OPT_CHOICE, "info", "what is told", .choices = "error|warning|info|debug"),
    ROW(kd_log_options, progress, KD_OPT_CHOICE, "auto", "form of the progress",
        .choices = "auto|bar|plain|json|none"),
    ROW(kd_log_options, color, KD_OPT_CHOICE, "auto", "colours", .choices = "auto|always|never"),
    {.name = NULL},
};
KIND(log, kd_log_options, "log", "messages and progress");

static const kd_option model_table[] = {
    ROW(kd_model_options, file, KD_OPT_TEXT, "none",
        "the model and its weights, as Keras saved them: NAME.keras, NAME.h5, or a folder of zipped=False",
        .flags = KD_OPT_NONE_OK),
    ROW(kd_model_options, init_from, KD_OPT_TEXT, "none", "start weights of the whole model",
        .flags = KD_OPT_NONE_OK),
    {.name = NULL},
};
KIND(model, kd_model_options, "model", "weights and models from files");

static const kd_option export_table[] = {
    ROW(kd_export_options, keras, KD_OPT_TEXT, "none",
        "the trained model as a .keras file, written at the end of fit, in the run folder",
        .flags = KD_OPT_NONE_OK),
    ROW(kd_export_options, onnx, KD_OPT_TEXT, "none",
        "the trained model as an ONNX file, written at the end of fit, in the run folder",
        .flags = KD_OPT_NONE_OK),
    ROW(kd_export_options, savedmodel, KD_OPT_TEXT, "none",
        "folder for the trained model as a SavedModel of TensorFlow, written at the end of fit, in the run "
        "folder",
        .flags = KD_OPT_NONE_OK),
    ROW(kd_export_options, opset, KD_OPT_INT, "17", "version of the operators of ONNX files", .min = 17,
        .max = 23),
    {.name = NULL},
};
KIND(export, kd_export_options, "export", "the trained model in other formats");

static const kd_option output_table[] = {
    ROW(kd_output_options, from, KD_OPT_VALUE, "none", "the layer; none: the layer of that name"),
    ROW(kd_output_options, loss, KD_OPT_VALUE, "none", "a loss; none: that of [train]"),
    ROW(kd_output_options, loss_weight, KD_OPT_FLOAT, "none", "weight of the loss; none: 1", .min = -1e30,
        .max = 1e30, .flags = KD_OPT_NONE_OK),
    ROW(kd_output_options, metrics, KD_OPT_VALUE, "none", "metrics; none: those of [train]"),
    ROW(kd_output_options, weighted_metrics, KD_OPT_VALUE, "none", "metrics that see the samples' weights"),
    ROW(kd_output_options, sample_weight, KD_OPT_TEXT, "none",
        "data set or column of the output's weights; none: that of [data]", .flags = KD_OPT_NONE_OK),
    ROW(kd_output_options, target, KD_OPT_TEXT, "none", "name of the labels in the data",
        .flags = KD_OPT_NONE_OK),
    {.name = NULL},
};
KIND(output, kd_output_options, "output", "an output of the model");

static const kd_kind *const sections[] = {
    &kd_run_section_kind,         &kd_input_section_kind, &kd_output_section_kind,
    &kd_model_section_kind,       &kd_data_section_kind,  &kd_train_section_kind,
    &kd_distributed_section_kind, &kd_log_section_kind,   &kd_export_section_kind,
};

const kd_family kd_section_family = {"section", sections, sizeof sections / sizeof *sections};
