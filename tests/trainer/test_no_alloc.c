// ctest: ranks=1,2,4 timeout=120
/* Nothing is allocated in the steps 2..N of fit: malloc and mmap are counted in all threads of each rank from
 * the end of an epoch's second step to its last one, with the feeder, the loader's and the communication
 * thread, the update and the running means. With 4 ranks there are two pretended hosts, so that both
 * transports run. */
#include "support/mpi_unit.h"

#ifdef __SANITIZE_ADDRESS__ /* the sanitizer has its own malloc */
int main(void) {
  return 77;
}
#else
#include "device/base/rng.h"
#include "support/count_alloc.h"
#include "support/tiny.h"
#include "trainer/trainer.h"

/* What MPI allocates inside its own calls is counted with the libraries. */
#define INSIDE_MPI(call)                                                                                     \
  do {                                                                                                       \
    in_library = true;                                                                                       \
    int inside_code_ = call;                                                                                 \
    in_library = false;                                                                                      \
    return inside_code_;                                                                                     \
  } while (0)

int MPI_Isend(const void *data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm,
              MPI_Request *request) {
  INSIDE_MPI(PMPI_Isend(data, count, type, to, tag, comm, request));
}

int MPI_Irecv(void *data, int count, MPI_Datatype type, int from, int tag, MPI_Comm comm,
              MPI_Request *request) {
  INSIDE_MPI(PMPI_Irecv(data, count, type, from, tag, comm, request));
}

int MPI_Test(MPI_Request *request, int *done, MPI_Status *status) {
  INSIDE_MPI(PMPI_Test(request, done, status));
}

int MPI_Improbe(int from, int tag, MPI_Comm comm, int *found, MPI_Message *message, MPI_Status *status) {
  INSIDE_MPI(PMPI_Improbe(from, tag, comm, found, message, status));
}

int MPI_Imrecv(void *data, int count, MPI_Datatype type, MPI_Message *message, MPI_Request *request) {
  INSIDE_MPI(PMPI_Imrecv(data, count, type, message, request));
}

enum { ROWS = 96, BATCH = 8, CELLS = 144, CLASSES = 4, EPOCHS = 3, STEPS = ROWS / BATCH };

static float pixels[ROWS * CELLS];
static int32_t labels[ROWS];

static void make_data(void) {
  for (int i = 0; i < ROWS * CELLS; i++)
    pixels[i] = kd_uniform_f32(kd_philox_block((uint64_t)i, 5, 1).v[0]) - 0.5f;
  for (int i = 0; i < ROWS; i++) {
    labels[i] = i % CLASSES;
    pixels[i * CELLS + labels[i]] += 2; /* something to learn */
  }
}

/* The counting stands where a callback of a user would. */
static kd_status count_steps(kd_callback *self, kd_trainer *trainer, int64_t batch) {
  (void)self;
  int last = (int)trainer->steps;
  if (batch == 2) atomic_store(&counting, true);
  if (batch == last) atomic_store(&counting, false);
  return KD_OK;
}

static const kd_callback_kind counter = {.base = {.name = "Counter"}, .batch_end = count_steps};

static double train(const char *const *layers, const char *optimizer, kd_determinism determinism,
                    kd_policy policy) {
  tiny t;
  tiny_spec spec = {.input = KD_SHAPE(CELLS),
                    .layers = layers,
                    .loss = "SparseCategoricalCrossentropy(from_logits=true)",
                    .metrics = "[accuracy, MeanIoU(4, sparse_y_pred=false)]",
                    .optimizer = optimizer,
                    .label_dtype = KD_I32,
                    .batch = BATCH,
                    .determinism = determinism,
                    .policy = policy,
                    .comm = unit_comm};
  tiny_create(&t, &spec);
  kd_field fields[] = {{.name = "x", .dtype = KD_F32, .sample = KD_SHAPE(CELLS)},
                       {.name = "y", .dtype = KD_I32}};
  const void *arrays[] = {pixels, labels};
  static const int chosen[] = {0, 1};
  static const size_t bytes[] = {CELLS * sizeof(float), sizeof(int32_t)};
  kd_dataset *data = kd_dataset_arrays(ROWS, 2, fields, arrays, NULL);
  kd_callback callback = {.kind = &counter, .name = "counter", .pool = t.pool};
  kd_fit_spec fit = {.epochs = EPOCHS, .shuffle = true, .seed = 3, .n_callbacks = 1, .callbacks = &callback};
  kd_reporter silent = {.context = NULL};
  kd_trainer trainer = {.comm = unit_comm,
                        .replica = t.replica,
                        .setup = &t.spec,
                        .fit = &fit,
                        .reporter = &silent,
                        .train = {.data = data,
                                  .count = ROWS,
                                  .chunk = 1,
                                  .fields = chosen,
                                  .n_fields = 2,
                                  .sample_bytes = bytes,
                                  .batch_size = BATCH}};
  assert_ok(kd_trainer_fit(&trainer));
  double loss = trainer.totals.loss / trainer.totals.rows;
  kd_dataset_close(data);
  tiny_destroy(&t);
  return loss;
}

static const char *const images[] = {"Reshape((12, 12, 1))",
                                     "Conv2D(8, 3, padding=same, kernel_regularizer=L2(0.001))",
                                     "BatchNormalization()",
                                     "Activation(relu)",
                                     "MaxPooling2D(2)",
                                     "Dropout(0.2)",
                                     "Flatten()",
                                     "Dense(16, activation=relu)",
                                     "Dense(4)",
                                     NULL};
static const char *const sequences[] = {"Reshape((12, 12))",
                                        "LSTM(8, return_sequences=true)",
                                        "LayerNormalization()",
                                        "GRU(8)",
                                        "Dense(4)",
                                        NULL};

static const char *const words[] = {"Embedding(2000, 6)", "GlobalAveragePooling1D()", "Dense(4)", NULL};

static const struct {
  const char *const *layers;
  const char *optimizer;
  kd_determinism determinism;
  kd_policy policy;
} cases[] = {
    {images, "Adam(0.01, global_clipnorm=1.0)", KD_DETERMINISM_RUN, {0}},
    {images, "SGD(0.05, momentum=0.9, gradient_accumulation_steps=2)", KD_DETERMINISM_WORLD, {0}},
    {images, "Lamb(0.01)", KD_DETERMINISM_OFF, {0}},
    {sequences, "RMSprop(0.01, clipnorm=1.0)", KD_DETERMINISM_RUN, {0}},
    {sequences, "AdamW(ExponentialDecay(0.01, 4, 0.5))", KD_DETERMINISM_WORLD, {0}},
    {images, "Adam(0.01, use_ema=true)", KD_DETERMINISM_WORLD, {KD_BF16, KD_BF16}},
    {sequences, "SGD(0.05, global_clipnorm=1.0)", KD_DETERMINISM_RUN, {KD_F16, KD_F16}},
    {words, "Adam(0.01)", KD_DETERMINISM_RUN, {0}},
    {words, "Adam(0.01, global_clipnorm=1.0)", KD_DETERMINISM_WORLD, {0}},
};

static void steps_allocate_nothing(void **state) {
  (void)state;
  make_data();
  atomic_store(&library_calls, 0);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    atomic_store(&calls, 0);
    double loss = train(cases[i].layers, cases[i].optimizer, cases[i].determinism, cases[i].policy);
    if (atomic_load(&calls) != 0)
      fprintf(stderr, "case %zu: %d allocations on rank %d\n", i, atomic_load(&calls), unit_comm->rank);
    assert_all(atomic_load(&calls) == 0);
    assert_all(loss < 1.5);
  }
  assert_all(atomic_load(&library_calls) > 0); /* the counter ran: oneDNN allocates in each call */
}

int main(void) {
  count_alloc_prepare();
  const char *size = getenv("OMPI_COMM_WORLD_SIZE");
  if (size && !strcmp(size, "4")) setenv("KDIST_TRANSPORT", "hosts:2", 1);
  const struct CMUnitTest tests[] = {cmocka_unit_test(steps_allocate_nothing)};
  unit_begin(60);
  return unit_end(cmocka_run_group_tests(tests, NULL, NULL));
}
#endif
