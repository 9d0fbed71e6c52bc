/* Waves: a model from text, samples from a function, a training loop of its own; then predictions, and
 * weights that go through a file into a second net.
 *
 *   cc waves.c $(pkg-config --cflags --libs kdist) -lm -o waves
 *   ./waves, or mpirun -np 2 ./waves
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <kdist.h>

enum { STEPS = 24, BATCH = 32 };

/* An LSTM reads a piece of a wave and tells the value that follows. docs/language.md is the language. */
static const char model[] = "[run]\n"
                            "seed = 3\n"
                            "[input wave]\n"
                            "shape = 24, 1\n"
                            "[layers]\n"
                            "lstm = LSTM(24)\n"
                            "next = Dense(1)\n"
                            "[train]\n"
                            "optimizer = Adam(ExponentialDecay(0.01, 200, 0.5))\n"
                            "loss = mse\n"
                            "metrics = mae\n";

static void check(kd_status status) {
  if (status == KD_OK) return;
  fprintf(stderr, "waves: %s\n", kd_error_text());
  exit(1);
}

/* Value number t of wave `row`: each has its own length and phase. */
static float wave(int64_t row, int t) {
  double length = 8 + (double)(row * 37 % 101) / 10, phase = (double)(row * 53 % 97) / 97;
  return (float)sin(6.283185307 * ((double)t / length + phase));
}

/* The data do not exist before they are asked for. n rows are written one behind the other; the same row is
 * always the same. context: the number of the first row. */
static kd_status read_waves(void *context, int field, int64_t n, const int64_t *rows, void *out) {
  int64_t first = *(const int64_t *)context;
  float *to = out;
  for (int64_t i = 0; i < n; i++) {
    if (field == 0)
      for (int t = 0; t < STEPS; t++) *to++ = wave(first + rows[i], t);
    else if (field == KD_LABEL(0))
      *to++ = wave(first + rows[i], STEPS);
    else
      return kd_error_set(KD_ERR_INTERNAL, "waves have one input and one label");
  }
  return KD_OK;
}

int main(void) {
  kd_net *net, *copy;
  check(kd_net_from_ini(model, &net));

  /* A training loop by hand: each step takes the next 32 waves. */
  int64_t first = 0;
  kd_data batch = {.count = BATCH, .read = read_waves, .context = &first};
  for (int step = 0; step < 600; step++, first += BATCH) {
    check(kd_train_step(net, &batch));
    double loss, rate;
    check(kd_metric(net, "loss", &loss));
    check(kd_learning_rate(net, &rate));
    if (kd_world_rank() == 0 && step % 100 == 0) printf("step %3d: loss %.5f, rate %.5f\n", step, loss, rate);
  }

  /* Predictions for waves that were not seen; they are written on rank 0. */
  float next[BATCH] = {0};
  check(kd_predict(net, &batch, 0, (float *[]){next}));
  double worst = 0;
  for (int i = 0; i < BATCH && kd_world_rank() == 0; i++)
    worst = fmax(worst, fabs((double)next[i] - (double)wave(first + i, STEPS)));

  /* The file is Keras's .weights.h5: `model.load_weights` reads it too. */
  float again[BATCH] = {0};
  check(kd_save(net, "waves.weights.h5"));
  check(kd_net_from_ini(model, &copy));
  check(kd_load(copy, "waves.weights.h5"));
  check(kd_predict(copy, &batch, 0, (float *[]){again}));
  int same = 1;
  for (int i = 0; i < BATCH; i++) same &= again[i] == next[i];

  if (kd_world_rank() == 0)
    printf("largest error %.3f; predictions of the second net are %s\n", worst, same ? "the same" : "others");
  kd_net_destroy(net);
  kd_net_destroy(copy);
  check(kd_finalize());
  return worst < 0.2 && same ? 0 : 1;
}
