// ctest: ranks=1,2,3 timeout=90
/* Sums that devices make among themselves: the same training as through the host, the same requests on all
 * ranks, and how ranks decide. The device and its sums are plain (support/group_device.h). */
#include "comm/device_group.h"
#include "support/group_device.h"
#include "support/tiny.h"

enum { BATCH = 21, STEPS = 5 };

static kd_comm *all_ranks;

static const char *const dense[] = {"Dense(16, activation=relu)", "Dropout(0.3)", "Dense(4)", NULL};
static const char *const conv[] = {"Reshape((6, 6, 1))",
                                   "Conv2D(4, 3, padding=same)",
                                   "BatchNormalization()",
                                   "Activation(relu)",
                                   "Flatten()",
                                   "Dense(4)",
                                   NULL};

typedef enum way { BY_CPU, BY_HOST, BY_GROUP } way;

static void on_group(tiny *t) {
  group_device_wrap(&t->device, t->comm->rank, t->comm->size);
  assert_ok(kd_device_group_open(t->comm, &t->device, KD_GROUP_ALWAYS, &t->spec.group));
  assert_non_null(t->spec.group);
}

static void through_host(tiny *t) {
  group_device_wrap(&t->device, t->comm->rank, t->comm->size);
}

/* The hash of weights and slots behind some steps, the last of them with few rows. */
static uint64_t train(way by, const char *const *layers, kd_determinism determinism, int64_t micro_batch,
                      int64_t last_rows, double *loss, int *n_buckets) {
  static void (*const device[])(tiny * t) = {NULL, through_host, on_group};
  tiny t;
  tiny_spec spec = {.input = KD_SHAPE(36),
                    .layers = layers,
                    .loss = "SparseCategoricalCrossentropy(from_logits=true)",
                    .metrics = "[accuracy, MeanIoU(4, sparse_y_pred=false)]",
                    .optimizer = "Adam(0.01, global_clipnorm=1.0, gradient_accumulation_steps=2)",
                    .label_dtype = KD_U8,
                    .batch = BATCH,
                    .micro_batch = micro_batch,
                    .bucket_bytes = 4096,
                    .determinism = determinism,
                    .micro_shards = 8,
                    .device = device[by],
                    .comm = all_ranks};
  group_device_forget();
  tiny_create(&t, &spec);
  *loss = tiny_train(&t, STEPS, last_rows);
  *n_buckets = kd_replica_get_stats(t.replica).n_buckets;
  if (by == BY_GROUP) assert_string_equal(kd_replica_get_stats(t.replica).transport, "plain sums");
  uint64_t hash = kd_replica_hash(t.replica);
  tiny_destroy(&t);
  return hash;
}

/* The same on all ranks, with a start for each bucket of each step in their order and a join behind them. */
static void check_notes(int n_buckets) {
  static char others[4][sizeof group_device_notes];
  assert_ok(kd_comm_all_gather(all_ranks, group_device_notes, sizeof group_device_notes, others[0]));
  for (int r = 0; r < all_ranks->size; r++) assert_string_equal(others[r], others[0]);
  const char *at = group_device_notes + strlen("connected\n");
  for (int step = 0; step < STEPS; step++)
    for (int k = 0; k <= n_buckets; k++) {
      int number = -1;
      if (k < n_buckets) {
        assert_int_equal(sscanf(at, "start %d ", &number), 1);
        assert_int_equal(number, k);
      } else {
        assert_memory_equal(at, "join", 4);
      }
      at = strchr(at, '\n') + 1;
    }
  assert_string_equal(at, "");
}

static void check_way(way by, const char *const *layers, kd_determinism determinism, int64_t micro_batch,
                      int64_t last_rows) {
  double cpu_loss, loss;
  int cpu_buckets, buckets;
  uint64_t cpu = train(BY_CPU, layers, determinism, micro_batch, last_rows, &cpu_loss, &cpu_buckets);
  uint64_t hash = train(by, layers, determinism, micro_batch, last_rows, &loss, &buckets), first = hash;
  assert_ok(kd_comm_broadcast(all_ranks, &first, sizeof first));
  assert_true(hash == first);
  assert_int_equal(buckets, cpu_buckets);
  if (by == BY_GROUP) check_notes(buckets);
  if (determinism == KD_DETERMINISM_WORLD || by == BY_HOST)
    assert_true(hash == cpu);
  else
    assert_float_equal(loss, cpu_loss, 1e-5);
}

/* 2 rows: one of three ranks has none. */
static void world_gives_the_same_bits(void **state) {
  (void)state;
  for (way by = BY_HOST; by <= BY_GROUP; by++) {
    check_way(by, dense, KD_DETERMINISM_WORLD, 0, 5);
    check_way(by, conv, KD_DETERMINISM_WORLD, 0, 2);
  }
}

static void run_agrees(void **state) {
  (void)state;
  for (way by = BY_HOST; by <= BY_GROUP; by++) {
    check_way(by, dense, KD_DETERMINISM_RUN, 0, 2);
    check_way(by, conv, KD_DETERMINISM_RUN, 0, 5);
    check_way(by, dense, KD_DETERMINISM_RUN, 3, 5);
  }
}

/* --- the decision --- */

static bool decide(kd_group_wish wish, kd_status *status) {
  kd_device device;
  kd_device_group *group;
  group_device_forget();
  assert_ok(kd_device_open("cpu", 0, 1, true, &device));
  group_device_wrap(&device, all_ranks->rank, all_ranks->size);
  *status = kd_device_group_open(all_ranks, &device, wish, &group);
  bool made = group != NULL;
  if (made) assert_string_equal(group_device_notes, "connected\n");
  assert_true(made == (device.patience != NULL));
  kd_device_group_close(group);
  assert_null(device.patience);
  kd_device_close(&device);
  return made;
}

static void refuses(const char *text) {
  kd_status status;
  assert_false(decide(KD_GROUP_AUTO, &status));
  assert_int_equal(status, KD_OK);
  assert_false(decide(KD_GROUP_ALWAYS, &status));
  assert_int_not_equal(status, KD_OK);
  if (!strstr(kd_status_text(), text)) fail_msg("'%s' lacks '%s'", kd_status_text(), text);
}

static void ranks_decide_together(void **state) {
  (void)state;
  kd_status status;
  int last = all_ranks->size - 1;
  assert_true(decide(KD_GROUP_AUTO, &status) == (last > 0));
  assert_true(decide(KD_GROUP_ALWAYS, &status));
  assert_false(decide(KD_GROUP_NEVER, &status));
  if (last == 0) return;
  group_device_plans = (group_device_plan){true, -1, -1};
  refuses("backend = nccl: ranks 0 and 1 share the device seat 0 of ");
  group_device_plans = (group_device_plan){false, last, -1};
  refuses("no library of sums");
  group_device_plans = (group_device_plan){false, -1, last};
  refuses("no way to the others");
  /* A failure leaves nothing behind. */
  group_device_plans = (group_device_plan){false, -1, -1};
  assert_true(decide(KD_GROUP_AUTO, &status));
}

static void the_cpu_has_none(void **state) {
  (void)state;
  kd_device device;
  kd_device_group *group;
  assert_ok(kd_device_open("cpu", 0, 1, true, &device));
  assert_ok(kd_device_group_open(all_ranks, &device, KD_GROUP_AUTO, &group));
  assert_null(group);
  assert_int_equal(kd_device_group_open(all_ranks, &device, KD_GROUP_ALWAYS, &group), KD_ERR_USAGE);
  assert_non_null(strstr(kd_status_text(), "ranks compute on the CPU"));
  kd_device_close(&device);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(world_gives_the_same_bits),
      cmocka_unit_test(run_agrees),
      cmocka_unit_test(ranks_decide_together),
      cmocka_unit_test(the_cpu_has_none),
  };
  return tiny_run_ranks(&all_ranks, tests, sizeof tests / sizeof *tests);
}
