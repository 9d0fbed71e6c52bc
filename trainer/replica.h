/* The replica of one rank: model, memory ranges, plans, update.
 *
 * Memory: weights (trainable, in the order in which backward produces gradients), state (the other weights),
 * slots (each as large as the weights), and the reduce range: the tail of the objective, then moving
 * statistics, then gradients in the order of the weights, tables last. The reduce range lives where ranks
 * share memory (comm/reducer.h).
 *
 * Passes: the rows of a step that this rank computes are cut into passes: one per micro-shard under
 * determinism = world (leaves of the fixed tree), else as many as micro_batch asks for. Each pass runs one
 * plan; its sums are added in tree order as soon as a bucket is written, and the bucket is posted to the
 * reducer in the last pass.
 *
 * Steps: kd_replica_step puts one on its way, kd_replica_result reads what it gave. */
#ifndef KD_REPLICA_H
#define KD_REPLICA_H

#include "comm/bucket.h"
#include "comm/device_group.h"
#include "comm/reducer.h"
#include "device/backend.h"
#include "layers/plan/plan.h"
#include "trainer/objective.h"
#include "trainer/optimizer.h"

typedef enum kd_determinism { KD_DETERMINISM_OFF, KD_DETERMINISM_RUN, KD_DETERMINISM_WORLD } kd_determinism;

typedef struct kd_replica_spec {
  kd_comm *comm;
  kd_device *device;
  kd_model *model;
  const kd_objective *objective; /* NULL: predict only */
  const kd_optimizer *optimizer; /* NULL: no training */
  const kd_dtype *feed_dtype;    /* per model input: type of the data as stored */
  const kd_shape *feed_sample; /* per model input: shape of one stored sample; NULL: the model's own shapes */
  const kd_shape *test_sample; /* the same in evaluation and prediction; NULL: feed_sample */
  int64_t batch_size;          /* of training, global */
  int64_t largest_batch;       /* of training and validation; at least batch_size */
  int64_t micro_batch;         /* largest number of rows of a pass; 0: no limit */
  kd_recompute recompute;      /* bits stay the same */
  bool whole_tables; /* gradients of tables are made and summed whole: for tests, with the same bits */
  kd_determinism determinism;
  int micro_shards;       /* V of world */
  int64_t bucket_bytes;   /* 0: no limit */
  kd_device_group *group; /* devices sum among themselves; NULL: the host sums; unused in prediction */
  kd_group_wish sums;     /* kd_replica_measure, which has no group: what was wished */
  uint64_t seed;
} kd_replica_spec;

typedef enum kd_mode { KD_MODE_TRAIN, KD_MODE_EVALUATE, KD_MODE_PREDICT, KD_MODE_COUNT, KD_N_MODES } kd_mode;

typedef struct kd_replica kd_replica;

/* Lays out memory, initialises weights (the same on all ranks: a function of the seed). Collective. */
kd_status kd_replica_create(const kd_replica_spec *spec, kd_replica **replica);
void kd_replica_destroy(kd_replica *replica); /* collective; NULL is allowed */

/* The rows [begin, end) of a global batch of `rows` rows that this rank computes; has the form of
 * kd_loader_spec.share, the context is the replica. */
void kd_replica_share(void *replica, int64_t rows, int64_t *begin, int64_t *end);

/* Copies between host memory and the replica. part: KD_PART_WEIGHT, or a slot number from 0 on; slot number
 * n_slots is the accumulated gradient when the optimizer accumulates. Slots exist for trainable weights only.
 */
enum { KD_PART_WEIGHT = -1 };
kd_status kd_replica_get(kd_replica *replica, int part, int weight, float *values);
kd_status kd_replica_put(kd_replica *replica, int part, int weight, const float *values);
/* The same in the type in which it is stored, for checkpoints: into the pool; back from a tensor of that type
 * and shape, else KD_ERR_USAGE with both in a text that names no weight. */
kd_status kd_replica_save(kd_replica *replica, kd_pool *pool, int part, int weight, kd_tensor *tensor);
kd_status kd_replica_load(kd_replica *replica, int part, int weight, const kd_tensor *tensor);

/* What stateful layers keep (kd_model.kept): all rows of the fixed batch. get: values is filled on rank 0;
 * collective. put: every rank gives the rows of all. */
kd_status kd_replica_get_kept(kd_replica *replica, int number, float *values);
void kd_replica_put_kept(kd_replica *replica, int number, const float *values);

/* The state of a scaled loss (LossScaleOptimizer): the present factor, finite steps since it changed, and
 * steps that changed no weight because gradients were not finite; after the last step whose result was read.
 */
typedef struct kd_loss_scale {
  double scale;
  int64_t good_steps, skipped;
} kd_loss_scale;
kd_loss_scale kd_replica_loss_scale(const kd_replica *replica);
kd_status kd_replica_set_loss_scale(kd_replica *replica, kd_loss_scale scale);

/* A step's data on this rank: inputs, then labels, then sample weights, `rows` samples each. */
typedef struct kd_step_data {
  int64_t rows, first, global_rows;
  void *const *field;
} kd_step_data;

/* The learning rate after so many micro-steps that were not skipped. */
typedef double (*kd_rate_fn)(void *context, int64_t updates);

/* One training step: forward and backward over this rank's rows, the sum over all ranks, then the update:
 * statistics move, gradients accumulate, and every `accumulation` steps it clips, decays and updates.
 * iteration: micro-steps before this one, also skipped ones; random numbers depend on it. rate is called at
 * once. The data are free when it returns; a device with memory of its own may still compute. Collective; the
 * same bits on all ranks, and however many steps are on their way. */
kd_status kd_replica_step(kd_replica *replica, const kd_step_data *data, int64_t iteration, kd_rate_fn rate,
                          void *context);

/* What a step gives. */
typedef struct kd_step_result {
  int64_t iteration, rows; /* rows of the global batch */
  const float *tail;       /* the objective's, summed over all ranks; until the next kd_replica_step */
  double penalty;          /* of the weights before the update */
  bool stop;               /* some rank wished to stop */
} kd_step_result;

/* Steps whose results were not read. Before the next kd_replica_step they must be at most kd_replica_ahead: 0
 * where memory is the host's, else KD_STEPS_AHEAD, but 0 when whether a step accumulates depends on the
 * results of the one before, and in a group whose ranks exchange statistics in mid-pass. The same on all
 * ranks, and all read at the same steps. */
enum { KD_STEPS_AHEAD = 2 };
int kd_replica_pending(const kd_replica *replica);
int kd_replica_ahead(const kd_replica *replica);
/* Waits for the oldest of them, at least one is there. */
kd_status kd_replica_result(kd_replica *replica, kd_step_result *result);

/* This rank wishes to stop (a signal came). The next kd_replica_step tells all ranks by its result. */
void kd_replica_signal(kd_replica *replica);
/* The end of training: moving averages (use_ema) become the weights. Local; the same bits on all ranks. */
kd_status kd_replica_finalize(kd_replica *replica);
/* Forward only, with losses and metrics: the tail summed over all ranks. Collective. */
kd_status kd_replica_evaluate(kd_replica *replica, const kd_step_data *data, const float **tail);
/* Forward only, in the passes of evaluation: output[o] points to `rows` rows of output o. Local. */
kd_status kd_replica_predict(kd_replica *replica, const kd_step_data *data, const float **output);

/* The penalty of all regularised weights. */
kd_status kd_replica_penalty(kd_replica *replica, double *penalty);

/* Numbers for check, agreement and bench. */
typedef struct kd_replica_stats {
  size_t weight_bytes, slot_bytes, reduce_bytes, plan_bytes; /* of this rank */
  int n_buckets, n_launches;
  double flops;       /* of one training pass of this rank */
  int64_t pass_rows;  /* rows of the largest pass */
  uint64_t plan_hash; /* equal on all ranks */
  const char *transport;
  const char *slow_scopes; /* layers that fell to slow library code, or NULL */
} kd_replica_stats;
kd_replica_stats kd_replica_get_stats(const kd_replica *replica);
/* The hash of all weights and slots: what determinism = world keeps equal. 0: the device refused. */
uint64_t kd_replica_hash(kd_replica *replica);

/* The same numbers without memory: what this rank of spec->comm would take in training; in evaluation
 * without an optimizer, in prediction without an objective. For kdist check and summary. */
kd_status kd_replica_measure(const kd_replica_spec *spec, kd_replica_stats *stats);

/* The launches of the same pass as text (kd_plan_text), in the pool. */
kd_status kd_replica_list(const kd_replica_spec *spec, kd_pool *pool, const char **text);

#endif
