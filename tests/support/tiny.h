/* Small sequential models and replicas for tests of the trainer. */
#ifndef KD_TEST_TINY_H
#define KD_TEST_TINY_H

#include "layers/model.h"
#include "support/check.h"
#include "trainer/replica.h"

typedef struct tiny {
  kd_pool *pool;
  kd_diag *diag;
  kd_comm *comm;
  kd_device device;
  kd_model *model;
  kd_objective objective;
  kd_optimizer optimizer;
  kd_replica_spec spec;
  kd_replica *replica;
} tiny;

typedef struct tiny_spec {
  kd_shape input;            /* without the batch */
  const char *const *layers; /* as in [layers], also with call arguments; ends with NULL */
  const char *loss, *metrics, *optimizer;
  kd_dtype label_dtype;
  kd_shape label;
  bool sample_weight; /* float32 weights of the labels' shape are fed behind the labels */
  const char *weighted_metrics;
  int64_t batch, micro_batch;
  kd_determinism determinism;
  int micro_shards;
  kd_policy policy;
  kd_recompute recompute;
  int64_t bucket_bytes;
  bool whole_tables;
  void (*device)(tiny *t); /* NULL: the CPU; else it changes the open device before the replica is made */
  kd_comm *comm;           /* shared by several models: MPI starts once in a process */
} tiny_spec;

/* Fails the test on any error. Collective. */
void tiny_create(tiny *t, const tiny_spec *spec);
void tiny_destroy(tiny *t);
/* The same in two steps, for models of other forms: layers, inputs and outputs are added to t->model between
 * them. goals: one per output. What describes the model, labels or weights in the spec is not read. */
void tiny_open(tiny *t, kd_comm *comm);
void tiny_start(tiny *t, const tiny_spec *spec, const kd_output_goal *goals);
/* Trains `steps` steps on made rows of 36 numbers with labels of 4 classes in uint8; the last step has
 * `last_rows` rows, the others a batch. Returns the mean loss. Collective. */
double tiny_train(tiny *t, int steps, int64_t last_rows);
/* One training step and its results. */
kd_step_result tiny_step(tiny *t, const kd_step_data *data, int64_t iteration, double rate);
double tiny_rate(void *rate, int64_t updates); /* a kd_rate_fn: the double */
kd_value *tiny_value(tiny *t, const char *text);

/* A communicator of one rank that never meets MPI, also under mpirun. */
kd_comm *tiny_alone(void);
/* The main function of a test under mpirun: joins the ranks, runs the tests, agrees on the exit code. */
int tiny_run_ranks(kd_comm **all_ranks, const struct CMUnitTest *tests, size_t count);

#endif
