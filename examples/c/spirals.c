/* Two spirals: a functional net built in C, trained from arrays, watched by a callback of its own.
 *
 *   cc spirals.c $(pkg-config --cflags --libs kdist) -lm -o spirals
 *   ./spirals                     # alone
 *   mpirun -np 2 ./spirals        # on two ranks: every rank runs this program and computes its rows of each
 * batch
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <kdist.h>

enum { SAMPLES = 2000, TEST = 400 };

static float points[SAMPLES + TEST][2];
static int32_t arms[SAMPLES + TEST];

/* Points on two arms that wind around each other. Every rank makes the same data. */
static void make_data(void) {
  unsigned state = 1;
  for (int i = 0; i < SAMPLES + TEST; i++) {
    float draw[3];
    for (int k = 0; k < 3; k++) {
      state = state * 1664525u + 1013904223u;
      draw[k] = (float)(state >> 8) / (float)(1 << 24);
    }
    arms[i] = i % 2;
    float turn = 1 + 3 * draw[0], angle = 3.1415927f * (turn + (float)arms[i]);
    points[i][0] = turn / 4 * cosf(angle) + 0.05f * (draw[1] - 0.5f);
    points[i][1] = turn / 4 * sinf(angle) + 0.05f * (draw[2] - 0.5f);
  }
}

/* Errors come as a status; the text tells the rest. A rank that cannot go on ends its process. */
static void check(kd_status status) {
  if (status == KD_OK) return;
  fprintf(stderr, "spirals: %s\n", kd_error_text());
  exit(1);
}

/* Two dense layers with a way around them, as in a residual net. */
static kd_net *make_net(void) {
  kd_net *net;
  check(kd_net_create("spirals", &net));
  kd_out point = kd_net_input(net, "point", KD_F32, 1, (int64_t[]){2});
  kd_out x = kd_dense(point, 48, .activation = "gelu");
  for (int block = 0; block < 2; block++) {
    kd_out y = kd_dense(x, 48, .activation = "gelu", .kernel_initializer = "he_normal");
    y = kd_dense(y, 48);
    x = kd_layer_normalization(kd_add(x, y));
  }
  kd_dense(x, 2, .name = "arm");
  /* The building functions need no checks of their own: kd_compile returns the first failure. */
  check(kd_compile(net, .optimizer = "Adam(0.005)", .loss = "SparseCategoricalCrossentropy(from_logits=true)",
                   .metrics = "accuracy", .seed = 7));
  return net;
}

/* Called on all ranks at the end of each epoch, with the same logs: what it decides, all decide alike. */
static kd_status watch(void *context, kd_net *net, int64_t epoch) {
  double *best = context, accuracy, loss;
  if (kd_metric(net, "val_accuracy", &accuracy) != KD_OK)
    return KD_ERR_USAGE; /* kd_fit returns it, with its text */
  if (kd_metric(net, "val_loss", &loss) != KD_OK) return KD_ERR_USAGE;
  if (accuracy > *best) *best = accuracy;
  if (kd_world_rank() == 0 && epoch % 5 == 0)
    printf("epoch %2d: val_loss %.4f, val_accuracy %.4f\n", (int)epoch + 1, loss, accuracy);
  if (accuracy > 0.995) kd_stop_training(net);
  return KD_OK;
}

int main(void) {
  make_data();
  kd_net *net = make_net();

  /* Samples have the shapes that the model wants, so the arrays need no more than their types. */
  kd_data training = {.count = SAMPLES, .x = {{.data = points}}, .y = {{.data = arms, .dtype = KD_I32}}};
  kd_data test = {
      .count = TEST, .x = {{.data = points[SAMPLES]}}, .y = {{.data = arms + SAMPLES, .dtype = KD_I32}}};

  double best = 0;
  kd_hooks hooks = {.context = &best, .epoch_end = watch};
  check(kd_fit(net, &training, .epochs = 60, .batch_size = 64, .validation_split = 0.1, .hooks = &hooks,
               .n_hooks = 1, .callbacks = "ReduceLROnPlateau(monitor=loss, factor=0.5, patience=4)"));

  double accuracy;
  check(kd_evaluate(net, &test, 0));
  check(kd_metric(net, "accuracy", &accuracy));
  if (kd_world_rank() == 0)
    printf("%d epochs, best val_accuracy %.4f, accuracy on new points %.4f\n", (int)kd_history_length(net),
           best, accuracy);
  kd_net_destroy(net);
  check(kd_finalize());
  return accuracy > 0.97 ? 0 : 1;
}
