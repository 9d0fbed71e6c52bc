/* The configuration of one run: everything but the model's layers.
 *
 * Sections become plain structs by option tables (run_tables.c), which also serve help and documentation. */
#ifndef KD_RUN_CONFIG_H
#define KD_RUN_CONFIG_H

#include "device/base/option.h"
#include "launch/model_spec.h"

typedef struct kd_texts {
  int count;
  const char *const *v;
} kd_texts;

/* [run] */
typedef struct kd_run_options {
  const char *name; /* default: "run" */
  const char *dir;  /* the run folder; default: runs/NAME */
  int64_t seed;
  int log_level; /* kd_log_level, or -1; kd_log_options.level follows it */
} kd_run_options;

/* [data]; paths are joined with `dir` */
typedef struct kd_data_options {
  const char *format; /* idx, npy, npz, hdf5, csv, synthetic ...; NULL: no [data] section */
  const char *dir;    /* NULL: the current folder */
  const kd_value *train_value, *validation_value, *test_value; /* as written */
  kd_texts train, validation, test;
  double validation_split;   /* the last part of the training rows; 0: none */
  int64_t samples;           /* synthetic: number of rows */
  const char *sample_weight; /* data set or column of the samples' weights; NULL: none */
  int n_maps;                /* map.NAME = dataset or columns */
  const char **map_names;    /* of inputs and outputs */
  const char **map_items;    /* column names are joined by commas */
  kd_origin origin;
} kd_data_options;

/* [train] */
typedef struct kd_train_options {
  int64_t epochs, initial_epoch;
  int64_t batch_size;            /* global, as in Keras */
  int64_t validation_batch_size; /* global; batch_size when not given */
  int64_t micro_batch;           /* rows of one pass on one rank; 0: no limit */
  int recompute;                 /* as kd_recompute */
  bool shuffle;
  int64_t steps_per_epoch, validation_steps; /* 0: all */
  const kd_value *validation_freq_value;     /* as written */
  int64_t validation_freq;                   /* every so many epochs; 0: those of validation_epochs */
  int n_validation_epochs;
  int64_t *validation_epochs;                                       /* counted from 1 */
  const kd_value *optimizer;                                        /* for kd_optimizer_make */
  const kd_value *loss, *loss_weights, *metrics, *weighted_metrics; /* as written; see outputs */
  const kd_value *class_weight;
  const kd_value *save_value;
  kd_texts save;        /* weights files written at the end, relative to the run folder; may be none */
  bool auto_scale_loss; /* a LossScaleOptimizer under mixed_float16 */
  bool tf32;            /* products of float32 may round their factors, on devices that know TF32 */
  int dtype_policy;     /* number in KD_POLICY_CHOICES */
  int64_t keep;         /* checkpoints that are kept */
} kd_train_options;

/* [distributed]; the enums have the order of the choices */
typedef enum kd_shard_choice { KD_SHARD_FILES, KD_SHARD_COORDINATOR } kd_shard_choice;
typedef struct kd_distributed_options {
  int device;           /* auto, cpu, cuda */
  int backend;          /* auto, mpi, nccl: as kd_group_wish */
  int determinism;      /* 0 off, 1 run, 2 world: as kd_determinism */
  int shard;            /* kd_shard_choice */
  int64_t micro_shards; /* V of world */
  int64_t threads;      /* per rank; 0: the cores it is bound to */
  double timeout;       /* seconds of silence after which a rank ends the job */
  int compress;         /* 0: none */
  double bucket_mb;     /* size of gradient buckets; 0: chosen at compile time */
} kd_distributed_options;

/* [log] */
typedef struct kd_log_options {
  int level;    /* kd_log_level: error, warning, info, debug */
  int progress; /* auto, bar, plain, json, none */
  int color;    /* auto, always, never */
} kd_log_options;

/* [model] */
typedef struct kd_model_options {
  const char *file;      /* a model that Keras saved, with its weights, or NULL */
  const char *init_from; /* start weights of the whole model, or NULL */
} kd_model_options;

/* [export] */
typedef struct kd_export_options {
  /* Files written at the end of fit, relative to the run folder, or NULL. */
  const char *keras, *onnx;
  const char *savedmodel; /* ends in a slash */
  int64_t opset;          /* of the ONNX file */
} kd_export_options;

/* One line of [callbacks]. */
typedef struct kd_callback_config {
  const char *name;
  kd_object object; /* of kd_callback_family */
  kd_origin origin;
} kd_callback_config;

/* What training needs to know of one output, from [output NAME] and [train]. */
typedef struct kd_output_config {
  const char *name;
  const kd_value *loss;    /* NULL: none */
  double loss_weight;      /* 1 when not given */
  const kd_value *metrics; /* one value or a list; NULL: none */
  const kd_value *weighted_metrics;
  const char *sample_weight; /* name of the weights in the data; NULL: none */
  int n_class_weights;       /* item i is the weight of class i in training */
  double *class_weight;
  const char *target; /* name of the labels in the data; NULL: the rule of the format */
  kd_origin origin;   /* of the loss, or of the section */
} kd_output_config;

typedef struct kd_run_config {
  kd_run_options run;
  kd_data_options data;
  kd_train_options train;
  kd_distributed_options distributed;
  kd_log_options log;
  kd_model_options model;
  kd_export_options exports;
  int n_callbacks;
  kd_callback_config *callbacks; /* in file order */
  int n_outputs;
  kd_output_config *outputs; /* in the order of spec->outputs */
} kd_run_config;

/* Reads all sections but the model's. Errors and warnings go to context->diag. spec tells the outputs. */
void kd_run_config_make(kd_interpolation *context, const kd_model_spec *spec, kd_run_config *config);

/* The tables (run_tables.c): kinds named "run", "data", "train", "distributed", "log", "model", "export",
 * "output", "input". */
extern const kd_family kd_section_family;
extern const kd_kind kd_run_section_kind, kd_data_section_kind, kd_train_section_kind,
    kd_distributed_section_kind, kd_log_section_kind, kd_model_section_kind, kd_export_section_kind,
    kd_output_section_kind, kd_input_section_kind;

/* Options of an [output] section. */
typedef struct kd_output_options {
  const kd_value *from, *loss, *metrics, *weighted_metrics;
  const char *sample_weight;
  double loss_weight; /* KD_UNSET_FLOAT: not given */
  const char *target;
} kd_output_options;

#endif
