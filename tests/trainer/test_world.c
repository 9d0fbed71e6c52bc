// ctest: ranks=1,2,3,4 timeout=60
/* determinism = world: the same weights, bit for bit, on any number of ranks. Each case trains a few steps
 * with an uneven last batch. Rank 0 then trains the same case again alone, and the hashes must be equal. */
#include "support/tiny.h"

enum { BATCH = 21, STEPS = 6 };

static const char *const dense[] = {"Dense(16, activation=relu)", "Dropout(0.3)", "Dense(4)", NULL};
static const char *const conv[] = {"Reshape((6, 6, 1))",
                                   "Conv2D(4, 3, padding=same)",
                                   "BatchNormalization()",
                                   "Activation(relu)",
                                   "MaxPooling2D(2)",
                                   "Flatten()",
                                   "Dense(4)",
                                   NULL};
static const char *const spectral[] = {"SpectralNormalization(Dense(8, relu), power_iterations=2)",
                                       "Dropout(0.1)", "SpectralNormalization(Dense(4))", NULL};
static const char *const sequence[] = {"Reshape((6, 6))",
                                       "LSTM(5, return_sequences=true, dropout=0.2, recurrent_dropout=0.1)",
                                       "SpatialDropout1D(0.2)",
                                       "Bidirectional(GRU(4, dropout=0.1))",
                                       "Dense(4)",
                                       NULL};

static const struct {
  const char *name;
  const char *const *layers;
  const char *optimizer;
  kd_policy policy;
} cases[] = {
    {"dense", dense, "Adam(0.01)", {0}},
    {"clip", dense, "SGD(0.1, momentum=0.9, global_clipnorm=0.5)", {0}},
    {"accumulate", dense, "Adam(0.01, gradient_accumulation_steps=2)", {0}},
    {"conv", conv, "RMSprop(0.01)", {0}},
    {"sequence", sequence, "Adam(0.01)", {0}},
    {"spectral", spectral, "Adam(0.01)", {0}},
    {"float16", dense, "LossScaleOptimizer(Adam(0.01), initial_scale=1e6)", {KD_F16, KD_F32}},
    {"bfloat16", dense, "Adam(0.01)", {KD_BF16, KD_F32}},
    {"bfloat16 conv", conv, "SGD(0.05, momentum=0.9)", {KD_BF16, KD_F32}},
    {"bfloat16 sequence", sequence, "Adam(0.01)", {KD_BF16, KD_F32}},
    {"stored bfloat16", dense, "Adam(0.01, use_ema=true)", {KD_BF16, KD_BF16}},
    {"stored bfloat16 conv", conv, "SGD(0.05, momentum=0.9, global_clipnorm=0.5)", {KD_BF16, KD_BF16}},
    {"stored float16 sequence", sequence, "SGD(0.05, gradient_accumulation_steps=2)", {KD_F16, KD_F16}},
    {"stored float16 spectral", spectral, "Lamb(0.01)", {KD_F16, KD_F16}},
};
enum { CASES = sizeof cases / sizeof *cases };

static uint64_t train(kd_comm *comm, int number, double *loss) {
  tiny t;
  tiny_spec spec = {.input = KD_SHAPE(36),
                    .layers = cases[number].layers,
                    .loss = "SparseCategoricalCrossentropy(from_logits=true)",
                    .metrics = "[accuracy, MeanIoU(4, sparse_y_pred=false)]",
                    .optimizer = cases[number].optimizer,
                    .policy = cases[number].policy,
                    .label_dtype = KD_U8,
                    .batch = BATCH,
                    .determinism = KD_DETERMINISM_WORLD,
                    .micro_shards = 8,
                    .comm = comm};
  tiny_create(&t, &spec);
  *loss = tiny_train(&t, STEPS, 5);
  uint64_t hash = kd_replica_hash(t.replica);
  tiny_destroy(&t);
  return hash;
}

static kd_comm *all_ranks;

static void same_bits(void **state) {
  (void)state;
  for (int i = 0; i < CASES; i++) {
    double loss, loss_alone;
    uint64_t hash = train(all_ranks, i, &loss);
    kd_comm *self = tiny_alone();
    uint64_t hash_alone = train(self, i, &loss_alone);
    kd_comm_close(self);
    if (hash != hash_alone)
      fail_msg("%s: hash %016llx on %d ranks, %016llx alone", cases[i].name, (unsigned long long)hash,
               all_ranks->size, (unsigned long long)hash_alone);
    assert_true(loss == loss_alone);
    assert_true(loss < 2.5);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(same_bits)};
  return tiny_run_ranks(&all_ranks, tests, 1);
}
