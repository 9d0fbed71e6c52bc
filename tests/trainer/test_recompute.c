// ctest: ranks=1,2 timeout=60
/* Recomputation changes memory and time, never bits: each net is trained with each choice, and the weights
 * and losses must be equal. Deep nets must need less memory. */
#include "support/tiny.h"

enum { BATCH = 21, STEPS = 4, CHOICES = 3 };

static const char *const dense[] = {"Dense(16, activation=gelu)",
                                    "Dropout(0.3)",
                                    "LayerNormalization()",
                                    "Dense(16, activation=tanh)",
                                    "GaussianNoise(0.1)",
                                    "Dense(4)",
                                    NULL};
#define CONV(filters) "Conv2D(" #filters ", 3, padding=same)", "BatchNormalization()", "Activation(relu)"
static const char *const conv[] = {
    "Reshape((6, 6, 1))",  CONV(16),    "MaxPooling2D(2)", CONV(16), "SpatialDropout2D(0.2)", CONV(16),
    "AveragePooling2D(3)", "Flatten()", "Dense(4)",        NULL};
static const char *const deep[] = {"Reshape((6, 6, 1))",
                                   CONV(16),
                                   CONV(16),
                                   CONV(16),
                                   CONV(16),
                                   CONV(16),
                                   CONV(16),
                                   CONV(16),
                                   CONV(16),
                                   CONV(16),
                                   CONV(16),
                                   CONV(16),
                                   CONV(16),
                                   CONV(16),
                                   CONV(16),
                                   CONV(16),
                                   "Flatten()",
                                   "Dense(4)",
                                   NULL};
static const char *const synchronised[] = {"Dense(16)",
                                           "BatchNormalization(synchronized=true)",
                                           "Activation(elu)",
                                           "Dense(16)",
                                           "BatchNormalization(synchronized=true)",
                                           "Activation(relu)",
                                           "Dense(4)",
                                           NULL};
static const char *const sequence[] = {"Reshape((6, 6))",
                                       "LSTM(5, return_sequences=true, dropout=0.2, recurrent_dropout=0.1)",
                                       "LayerNormalization()",
                                       "Bidirectional(GRU(4, return_sequences=true))",
                                       "GlobalAveragePooling1D()",
                                       "Dense(4)",
                                       NULL};

static const struct {
  const char *name;
  const char *const *layers;
  bool smaller; /* with recomputation */
  kd_policy policy;
} cases[] = {
    {"dense", dense, false, {0}},       {"conv", conv, false, {0}},
    {"deep", deep, true, {0}},          {"synchronised", synchronised, false, {0}},
    {"sequence", sequence, false, {0}}, {"bfloat16 conv", conv, false, {KD_BF16, KD_F32}},
};
enum { CASES = sizeof cases / sizeof *cases };

typedef struct result {
  uint64_t hash;
  double loss;
  size_t plan_bytes;
} result;

static kd_comm *all_ranks;

static result train(int number, kd_recompute recompute) {
  tiny t;
  tiny_spec spec = {.input = KD_SHAPE(36),
                    .layers = cases[number].layers,
                    .loss = "SparseCategoricalCrossentropy(from_logits=true)",
                    .metrics = "accuracy",
                    .optimizer = "Adam(0.01)",
                    .policy = cases[number].policy,
                    .recompute = recompute,
                    .label_dtype = KD_U8,
                    .batch = BATCH,
                    .determinism = KD_DETERMINISM_RUN,
                    .comm = all_ranks};
  tiny_create(&t, &spec);
  result r = {.loss = tiny_train(&t, STEPS, 6)};
  r.hash = kd_replica_hash(t.replica);
  r.plan_bytes = kd_replica_get_stats(t.replica).plan_bytes;
  tiny_destroy(&t);
  return r;
}

static void same_bits(void **state) {
  (void)state;
  for (int i = 0; i < CASES; i++) {
    result r[CHOICES];
    for (int choice = 0; choice < CHOICES; choice++) {
      r[choice] = train(i, (kd_recompute)choice);
      if (r[choice].hash != r[0].hash || r[choice].loss != r[0].loss)
        fail_msg("%s, recompute %d: hash %016llx, loss %.9g; kept: %016llx, %.9g", cases[i].name, choice,
                 (unsigned long long)r[choice].hash, r[choice].loss, (unsigned long long)r[0].hash,
                 r[0].loss);
      if (choice && cases[i].smaller && r[choice].plan_bytes >= 0.95 * (double)r[0].plan_bytes)
        fail_msg("%s: recompute %d needs %zu bytes, none needs %zu", cases[i].name, choice,
                 r[choice].plan_bytes, r[0].plan_bytes);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(same_bits)};
  return tiny_run_ranks(&all_ranks, tests, 1);
}
