#include "io/weights_layout.h"

#include "io/weights_file.h"

#include <ctype.h>
#include <string.h>

/* keras.src.utils.naming.to_snake_case: an underscore before a capital that follows or precedes a small
 * letter. */
char *kd_snake_case(kd_pool *pool, const char *class_name) {
  size_t length = strlen(class_name), used = 0;
  char *text = kd_pool_alloc(pool, 2 * length + 1, 1);
  for (size_t i = 0; i < length; i++) {
    unsigned char c = (unsigned char)class_name[i];
    if (!isalnum(c) && c != '_') continue;
    bool after_small = i > 0 && islower((unsigned char)class_name[i - 1]);
    if (i > 0 && isupper(c) && (after_small || islower((unsigned char)class_name[i + 1]))) text[used++] = '_';
    text[used++] = (char)tolower(c);
  }
  return text;
}

/* The class behind Keras's public name, where the two differ. */
static const char *class_of(const kd_layer *layer) {
  const char *name = layer->kind->base.name;
  return strcmp(name, "GroupQueryAttention") == 0 ? "GroupedQueryAttention" : name;
}

/* "layers/dense", "layers/dense_1": one counter per class. */
static const char *group_name(kd_pool *pool, const char *const *stems, int position) {
  int before = 0;
  for (int i = 0; i < position; i++) before += strcmp(stems[i], stems[position]) == 0;
  if (before == 0) return kd_pool_printf(pool, "layers/%s", stems[position]);
  return kd_pool_printf(pool, "layers/%s_%d", stems[position], before);
}

/* "forward_layer/cell" of the name "forward_layer/cell/kernel". */
static const char *part_of(kd_pool *pool, const char *name) {
  const char *slash = strrchr(name, '/');
  return slash ? kd_pool_strndup(pool, name, (size_t)(slash - name)) : "";
}

static void place_layer(const kd_model *model, const kd_layer *layer, const char *group, kd_pool *pool,
                        kd_weight_place *place) {
  int first = layer->first_weight, end = first + layer->n_weights;
  for (int w = first; w < end; w++) {
    place[w] = (kd_weight_place){
        .layer = group, .part = part_of(pool, model->weights[w].name), .again = model->weights[w].again};
    for (int before = first; before < w; before++)
      place[w].index += strcmp(place[before].part, place[w].part) == 0;
  }
  for (int w = first; w < end; w++) {
    for (int other = first; other < end; other++) {
      bool again = place[other].again && strcmp(place[other].again, place[w].part) == 0;
      place[w].siblings += again + (strcmp(place[other].part, place[w].part) == 0);
      place[w].index += again;
    }
  }
}

void kd_weights_layout_make(const kd_model *model, kd_pool *pool, kd_weights_layout *layout) {
  int n = model->n_layers;
  int *order = kd_pool_alloc(pool, (size_t)n, sizeof *order);
  const char **stems = kd_pool_alloc(pool, (size_t)n, sizeof *stems);
  const char **group = kd_pool_alloc(pool, (size_t)n, sizeof *group);
  kd_model_keras_order(model, order);
  *layout = (kd_weights_layout){.n_layers = n, .order = order, .group = group};
  layout->place = kd_pool_alloc(pool, (size_t)model->n_weights, sizeof *layout->place);
  for (int i = 0; i < n; i++) stems[i] = kd_snake_case(pool, class_of(model->layers[order[i]]));
  for (int i = 0; i < n; i++) {
    const char *stored = model->layers[order[i]]->stored;
    group[i] = stored ? stored : group_name(pool, stems, i);
    place_layer(model, model->layers[order[i]], group[i], pool, layout->place);
  }
}

void kd_weights_keras_order(const kd_model *model, int *order) {
  int *layers = kd_calloc((size_t)model->n_layers, sizeof *layers), next = 0;
  kd_model_keras_order(model, layers);
  for (int i = 0; i < model->n_layers; i++) {
    const kd_layer *layer = model->layers[layers[i]];
    for (int w = 0; w < layer->n_weights; w++) order[next++] = layer->first_weight + w;
  }
  kd_free(layers);
}
