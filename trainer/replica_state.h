/* What a replica holds; private to trainer/replica*.c, passes.c and update.c. */
#ifndef KD_REPLICA_STATE_H
#define KD_REPLICA_STATE_H

#include "device/base/rng.h"
#include "trainer/replica.h"
#include "trainer/row_set.h"

/* A compiled pass: one mode and one number of rows. */
typedef struct kd_pass_plan {
  kd_mode mode;
  int64_t rows;
  kd_plan *plan;
  int n_fields; /* inputs, then labels where the mode has them */
  void **feed;  /* device memory of each field, NULL when the plan does not read it */
  size_t *feed_bytes;
  float **output; /* KD_MODE_PREDICT: device memory of each output */
  float **read;   /* the same in memory of the host; `output` itself where that is the device's */
  size_t *output_bytes;
  void **kept; /* device memory of what each stateful layer keeps, for these rows */
  size_t *kept_bytes;
  struct kd_pass_plan *next;
} kd_pass_plan;

/* What one update reads. */
typedef struct kd_update_values {
  float rate, rule[KD_MAX_UPDATE_VALUES];
  float momentum, overwrite; /* of the averages: 0 in the first step; 1 when they become the weights */
} kd_update_values;
enum { KD_UPDATE_FLOATS = sizeof(kd_update_values) / sizeof(float) };

/* What the host gives a pass and the update, in one upload. */
typedef struct kd_given_values {
  uint32_t rng[KD_RNG_WORDS];
  float inv_rows, share, first;
  float skipped;                               /* steps without an update, as far as the host knows */
  kd_update_values update[1 + KD_STEPS_AHEAD]; /* [k]: when k more of the steps on their way are such */
} kd_given_values;

/* The scalars that plans read, in device memory. */
typedef struct kd_step_values {
  kd_given_values given;
  kd_update_values chosen; /* guarded: one of given.update */
  float loss_scale, good_steps, skipped;
  float penalty, finite; /* what the host reads; finite: 1 when all gradients are */
} kd_step_values;

/* A step whose results the host has not read. values: on the host, where memory is apart: the tail, then
 * penalty and finite. */
typedef struct kd_report {
  int64_t iteration, rows;
  float *values;
} kd_report;

/* Work that each step repeats (record.c): of this number of rows of the global batch, 0: of any; with an
 * update, or accumulating. */
typedef struct kd_repeated {
  int64_t rows;
  bool last;
  int n_runs;
  void *recorded;             /* NULL: not yet, */
  kd_group_record *with_sums; /* or here, in a group */
  struct kd_repeated *next;
} kd_repeated;

/* What the rows of a table's gradient that a step did not use hold when the update reads it. */
typedef enum kd_table_rest {
  KD_REST_IGNORED, /* anything: the update takes zeros for them */
  KD_REST_ZEROED,  /* zeros: the rows of the step before are cleared */
  KD_REST_CLEARED  /* zeros: the update wrote there, so all of it is cleared */
} kd_table_rest;

/* A trainable table of whose gradient only the used rows are written (used_rows.c). The sets: with row_sums.
 */
typedef struct kd_table {
  int weight;
  kd_table_rest rest;
  int64_t rows, width;
  float *used; /* device memory, per row: how often the pass named it; for the update: not 0 where a
                  step did */
  int64_t flags_at, flags; /* floats in the reduce range: the used rows on their way to other ranks */
  kd_row_set pass, all;    /* rows that the pass wrote, that any rank used in the last step */
  kd_row_set *slot;        /* rows of each slot of partial sums */
} kd_table;

enum { KD_VALUE_OLD_ROWS = -1 }; /* - table: the gradient before the pass */
enum { KD_VALUE_LOSS_SCALE = 1 << 20 };

typedef struct kd_updates {
  kd_plan *prepare, *inverse, *moving, *unscale, *choose, *accumulate, *finish, *adjust, *update, *penalty,
      *average, *finalize, *constrain; /* NULL: nothing to do */
} kd_updates;

struct kd_replica {
  kd_replica_spec spec;
  kd_pool *pool;
  bool dry;
  int64_t n_weight, n_front, n_reduce; /* floats: gradients; tail and moving statistics; both, and flags */
  int64_t tail_floats;                 /* the objective's tail, padded */
  int64_t *moving_at;                  /* per weight: place of its statistic in the reduce range, -1: none */
  int *unused; /* trainable weights without a gradient: their part of the range is kept at zero */
  int n_unused;
  kd_table *tables; /* in the order of their places, behind all other weights */
  int n_tables;
  int64_t n_whole;               /* floats of the reduce range before the tables' gradients */
  bool row_sums;                 /* the host adds up the rows of tables: row_sums.c */
  char *weights, *state, *slots; /* device memory, in the types of the weights: kd_weight.place */
  float *accumulated;            /* device memory, in the places of gradients */
  float *reduce; /* host: partial sums of this rank; partial 0 becomes the sum. on_device: the tail alone */
  size_t reduce_bytes; /* of the partial sums, wherever they are */
  float *leaf;         /* device memory where passes write: a buffer of its own, or where they are summed */
  bool own_leaf;       /* passes are added up */
  bool apart;          /* the device's memory is not the host's: what the host needs is fetched */
  bool on_device;      /* apart, and gradients never leave the devices: one rank, or a group */
  kd_device_group *group; /* the devices of all ranks sum among themselves; NULL: the host sums */
  bool whole;   /* a training step is one pass and asks nothing of the host: it is put there, and recorded, as
                   one;   the same on all ranks */
  bool guarded; /* the device decides whether a step changes anything: see kd_loss_scale */
  bool records; /* the device repeats work that it has recorded; false once it has refused */
  kd_repeated *repeated;
  float *staged;          /* host, sums there with own_leaf: what a pass wrote */
  float *sum;             /* device memory: the sum over ranks and passes, as the update reads it; on_device:
                             partial sums until then */
  kd_step_values *values; /* device memory */
  kd_given_values given;  /* what the host writes there next */
  kd_report reports[1 + KD_STEPS_AHEAD]; /* by step, in turn */
  int64_t n_steps;                       /* that were put on their way */
  int pending;                           /* of them not read yet */
  float *report_values;                  /* host, apart: behind the reports */
  float *inv_count;                      /* device memory: per output, see KD_VALUE_INV_COUNT */
  float *slope;                          /* device memory: see KD_VALUE_SLOPE, as in the tail */
  float *slope_host;                     /* of one output */
  double *slope_sums;                    /* the same before it is rounded */
  kd_tree_program tree;                  /* order in which passes are added */
  kd_buckets buckets; /* that passes write; behind them begin and end of kd_row_sums_buckets more */
  kd_reducer *reducer, *tail_reducer;
  kd_pass_plan *plans;
  kd_updates updates;
  float **kept; /* by kd_model.kept: this rank's rows; host memory */
  int64_t kept_first, kept_rows;
  bool scaled; /* the loss is multiplied by scale.scale */
  kd_loss_scale scale;
  float signal;            /* this rank's wish to stop, summed with the tail */
  uint64_t version;        /* of the weights */
  uint32_t trained, tried; /* for random numbers: steps so far, and batches of other passes since the last */
  float **predicted;       /* per output: rows of a batch that several passes predict; host */
  size_t *predicted_bytes;
  uint64_t plan_hash;
  /* The pass that runs now, for the marks. */
  bool *bucket_ready;
  double *exchange_sums;
  int64_t exchange_room; /* doubles */
  bool exchanges;        /* the training pass sums over ranks in mid-pass: buckets wait until it is over */
  int next_bucket, pass;
  bool last_pass, training, in_pass;
};

/* replica_layout.c. plan: collective. reducers: once the memory is there; collective. */
kd_status kd_layout_plan(kd_replica *replica);
kd_status kd_layout_reducers(kd_replica *replica);
/* pass_plan.c */
const kd_shape *kd_passes_feed_shapes(const kd_replica *replica, kd_pool *pool, kd_mode mode, int64_t rows);
kd_status kd_passes_order(kd_replica *replica);
kd_status kd_passes_get(kd_replica *replica, kd_mode mode, int64_t rows, kd_pass_plan **plan);
void kd_passes_free(kd_replica *replica);
int64_t kd_passes_nominal_rows(const kd_replica *replica); /* of the largest training pass of this rank */
/* passes.c. on_mark: bucket `bucket` of this pass is written. start: the values of a step, in `given`.
 * gradients: all passes of a step and the sums. feed, enqueue: the same of a `whole` step, what needs the
 * host and what does not. */
kd_status kd_passes_on_mark(void *replica, int bucket);
kd_status kd_passes_start(kd_replica *replica, const kd_step_data *data, int64_t step);
kd_status kd_passes_gradients(kd_replica *replica, const kd_step_data *data);
kd_status kd_passes_feed(kd_replica *replica, const kd_step_data *data);
kd_status kd_passes_enqueue(kd_replica *replica, const kd_step_data *data);
/* record.c. Runs `enqueue`, which puts the same work on the device each time, or repeats its record.
 * Collective. */
kd_status kd_repeat(kd_replica *replica, int64_t rows, bool last, kd_status (*enqueue)(void *context),
                    void *context);
void kd_repeated_free(kd_replica *replica);
/* step.c. update: for sums of gradients that stand in their range; the end of a step. */
kd_status kd_step_update(kd_replica *replica, int64_t iteration, int64_t rows, kd_rate_fn rate,
                         void *context);
/* reports.c. start: the results of the step that was enqueued last. */
kd_status kd_reports_alloc(kd_replica *replica);
void kd_reports_free(kd_replica *replica);
kd_status kd_reports_start(kd_replica *replica, int64_t iteration, int64_t rows);

/* used_rows.c. find: the tables of a training graph, which move to the end of the order of weights. emit:
 * replaces their gradients; old[i] is to be bound where gradient and used[i] are results. none: no row is. */
void kd_used_rows_find(kd_replica *replica, const kd_graph *graph, const kd_sym *gradient, int n_order,
                       int *order);
size_t kd_used_rows_bytes(const kd_replica *replica);
kd_status kd_used_rows_alloc(kd_replica *replica);
void kd_used_rows_free(kd_replica *replica);
kd_status kd_used_rows_emit(const kd_replica *replica, kd_graph *graph, kd_sym *gradient, kd_sym *old,
                            kd_sym *used);
kd_status kd_used_rows_none(kd_replica *replica);
/* row_sums.c. place: flags behind the reduce range. buckets: of the reducer behind those of the passes.
 * start: of a step, before its passes. pass: the tables' gradients of this pass are written. finish: the sums
 * of all other buckets are there. */
void kd_row_sums_place(kd_replica *replica);
int kd_row_sums_buckets(const kd_replica *replica);
void kd_row_sums_create(kd_replica *replica);
void kd_row_sums_start(kd_replica *replica);
void kd_row_sums_pass(kd_replica *replica);
kd_status kd_row_sums_finish(kd_replica *replica);
/* sums.c. choose: where sums are made. bucket: bucket k of this pass is written. pass: a training
 * pass is over; all its buckets are on their way when it was the last one. tail: a pass that does not train
 * is over. finish, finish_tail: the sums over all ranks stand where the update reads them, behind the
 * launches until now. Where sums are the host's, the tail is in `reduce`. */
kd_status kd_sums_choose(kd_replica *replica);
kd_status kd_sums_alloc(kd_replica *replica);
void kd_sums_free(kd_replica *replica);
kd_status kd_sums_bucket(kd_replica *replica, int bucket);
kd_status kd_sums_pass(kd_replica *replica);
kd_status kd_sums_tail(kd_replica *replica);
kd_status kd_sums_finish(kd_replica *replica);
kd_status kd_sums_finish_tail(kd_replica *replica);
const char *kd_sums_transport(const kd_replica *replica);
/* device_sums.c: the same where gradients never leave the devices. */
kd_status kd_device_sums_alloc(kd_replica *replica);
void kd_device_sums_free(kd_replica *replica);
kd_status kd_device_sums_bucket(kd_replica *replica, int bucket);
kd_status kd_device_sums_tail(kd_replica *replica);
kd_status kd_device_sums_finish(kd_replica *replica);
kd_status kd_device_sums_finish_tail(kd_replica *replica);
kd_status kd_device_sums_fetch_tail(kd_replica *replica); /* into `reduce`; the host waits */
/* update.c */
kd_status kd_updates_compile(kd_replica *replica);
void kd_updates_free(kd_replica *replica);

/* loss_scale.c. seen: the host learns whether the gradients of the oldest pending step were finite. */
kd_status kd_loss_scale_start(kd_replica *replica);
kd_status kd_loss_scale_upload(kd_replica *replica);
kd_status kd_loss_scale_seen(kd_replica *replica, bool finite);

/* kept.c. begin: first row of the pass, counted from this rank's first. */
kd_status kd_kept_create(kd_replica *replica);
void kd_kept_free(kd_replica *replica);
kd_status kd_kept_check(const kd_replica *replica, const kd_step_data *data);
kd_status kd_kept_load(kd_replica *replica, const kd_pass_plan *plan, int64_t begin);
kd_status kd_kept_store(kd_replica *replica, const kd_pass_plan *plan, int64_t begin);

static inline bool kd_replica_is_world(const kd_replica *replica) {
  return replica->spec.determinism == KD_DETERMINISM_WORLD;
}

/* Where the slopes of a loss of the whole batch stand. */
static inline float *kd_replica_slope(const kd_replica *replica, const kd_output_loss *output) {
  return replica->slope + (output->state_tail - replica->spec.objective->n_logged);
}

/* Address of a weight's values, of the place in a slot's range, of its gradient. */
void *kd_replica_place(const kd_replica *replica, int weight);
void *kd_replica_slots(const kd_replica *replica, int slot, size_t place);
static inline float *kd_replica_gradient(const kd_replica *replica, float *base, int weight) {
  return base + replica->n_front + replica->spec.model->weights[weight].offset;
}

#endif
