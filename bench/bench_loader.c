/* Shuffled uint8 images of 28 x 28 and labels through data set and loader: images per second of one process.
 *
 *   bench_loader [samples=60000] [batch=128] [epochs=5]
 *
 * One line per format; "alone" reads on the caller's thread, "loader" through the prefetch thread, whose
 * consumer does nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/base/clock.h"
#include "io/array_file.h"
#include "io/loader.h"

enum { SIDE = 28, PIXELS = SIDE * SIDE, BLOCK = 1000 };

static void must(kd_status status) {
  if (status == KD_OK) return;
  fprintf(stderr, "bench_loader: %s\n", kd_status_text());
  exit(kd_status_exit_code(status));
}

static void write_samples(const char *path, int64_t samples) {
  static uint8_t pixels[BLOCK][PIXELS];
  static int32_t labels[BLOCK];
  kd_array_output outputs[] = {{"image", KD_U8, KD_SHAPE(SIDE, SIDE)}, {"label", KD_I32, KD_SCALAR}};
  kd_array_file *file;
  for (int i = 0; i < BLOCK; i++) {
    labels[i] = i % 10;
    memset(pixels[i], i, PIXELS);
  }
  must(kd_array_file_create(path, 2, outputs, samples, &file));
  for (int64_t done = 0; done < samples; done += BLOCK) {
    int64_t rows = samples - done < BLOCK ? samples - done : BLOCK;
    must(kd_array_file_append(file, rows, (const void *[]){pixels, labels}));
  }
  must(kd_array_file_finish(file));
  kd_array_file_destroy(file);
}

static kd_dataset *open_samples(const char *format, const char *path) {
  const char *names[] = {"image", "label"};
  kd_data_source source = {
      .format = format, .n_paths = 1, .paths = &path, .n_fields = 2, .n_inputs = 1, .field_names = names};
  kd_diag *diag = kd_diag_create();
  kd_dataset *data = kd_dataset_open(&source, diag);
  must(kd_diag_status(diag));
  kd_diag_destroy(diag);
  return data;
}

static double read_alone(kd_dataset *data, int64_t batch, int epochs) {
  int64_t *index = malloc((size_t)batch * sizeof *index);
  void *pixels = malloc((size_t)batch * PIXELS), *labels = malloc((size_t)batch * 8);
  double start = kd_now();
  for (int epoch = 0; epoch < epochs; epoch++) {
    kd_sampler order;
    kd_sampler_start(&order, data->count, true, 0, 1, epoch);
    for (int64_t first = 0; first < data->count; first += batch) {
      int64_t rows = data->count - first < batch ? data->count - first : batch;
      for (int64_t i = 0; i < rows; i++) index[i] = kd_sampler_at(&order, first + i);
      must(kd_dataset_read(data, 0, rows, index, pixels));
      must(kd_dataset_read(data, 1, rows, index, labels));
    }
  }
  double seconds = kd_now() - start;
  free(index);
  free(pixels);
  free(labels);
  return (double)data->count * epochs / seconds;
}

static double read_ahead(kd_dataset *data, int64_t batch, int epochs) {
  static const int fields[] = {0, 1};
  kd_loader_spec spec = {
      .data = data, .n_fields = 2, .fields = fields, .batch_size = batch, .ranks = 1, .depth = 3};
  kd_loader *loader;
  must(kd_loader_create(&spec, &loader));
  double start = kd_now();
  for (int epoch = 0; epoch < epochs; epoch++) {
    kd_sampler order;
    const kd_batch *next;
    kd_sampler_start(&order, data->count, true, 0, 1, epoch);
    must(kd_loader_start(loader, &order, 0, data->count));
    do must(kd_loader_next(loader, &next));
    while (next);
  }
  double seconds = kd_now() - start;
  kd_loader_destroy(loader);
  return (double)data->count * epochs / seconds;
}

int main(int argc, char **argv) {
  int64_t samples = argc > 1 ? atoll(argv[1]) : 60000, batch = argc > 2 ? atoll(argv[2]) : 128;
  int epochs = argc > 3 ? atoi(argv[3]) : 5;
  static const char *const formats[][2] = {{"hdf5", "h5"}, {"npz", "npz"}};
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    char path[64];
    snprintf(path, sizeof path, "/tmp/bench_loader-%d.%s", (int)getpid(), formats[i][1]);
    write_samples(path, samples);
    kd_dataset *data = open_samples(formats[i][0], path);
    double alone = read_alone(data, batch, epochs), ahead = read_ahead(data, batch, epochs);
    printf("{\"format\": \"%s\", \"alone_images_per_s\": %.0f, \"loader_images_per_s\": %.0f}\n",
           formats[i][0], alone, ahead);
    kd_dataset_close(data);
    unlink(path);
  }
  return 0;
}
