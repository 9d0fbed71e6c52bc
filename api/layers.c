/* Typed options of the usual layers, written as Keras's arguments. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/net.h"

/* The arguments of one layer as text. */
typedef struct arguments {
  kd_pool *pool;
  const char *text;
} arguments;

static arguments begin(void) {
  return (arguments){kd_pool_create(), ""};
}

static void put(arguments *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(arguments *a, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *more = kd_pool_vprintf(a->pool, format, args);
  va_end(args);
  a->text = kd_pool_printf(a->pool, "%s%s%s", a->text, *a->text ? ", " : "", more);
}

static void put_text(arguments *a, const char *key, const char *value) {
  if (value) put(a, "%s=%s", key, value);
}

static void put_int(arguments *a, const char *key, int64_t value) {
  if (value) put(a, "%s=%lld", key, (long long)value);
}

static void put_pair(arguments *a, const char *key, int64_t rows, int64_t columns) {
  if (rows) put(a, "%s=(%lld, %lld)", key, (long long)rows, (long long)(columns ? columns : rows));
}

static void put_float(arguments *a, const char *key, double value) {
  if (value != 0) put(a, "%s=%.17g", key, value);
}

static void put_off(arguments *a, const char *key, bool off) {
  if (off) put(a, "%s=false", key);
}

static kd_out finish(arguments *a, kd_out x, const char *type, const char *name, const char *more) {
  put_text(a, "name", name);
  if (more) put(a, "%s", more);
  kd_out out = kd_net_layer(x, type, a->text);
  kd_pool_destroy(a->pool);
  return out;
}

kd_out kd_dense_call(kd_dense_args d) {
  arguments a = begin();
  put_int(&a, "units", d.units);
  put_text(&a, "activation", d.activation);
  put_off(&a, "use_bias", d.no_bias);
  put_text(&a, "kernel_initializer", d.kernel_initializer);
  put_text(&a, "kernel_regularizer", d.kernel_regularizer);
  return finish(&a, d.x, "Dense", d.name, d.more);
}

kd_out kd_conv2d_call(kd_conv2d_args c) {
  arguments a = begin();
  put_int(&a, "filters", c.filters);
  put_pair(&a, "kernel_size", c.kernel, c.kernel_columns);
  put_pair(&a, "strides", c.strides, c.strides_columns);
  put_int(&a, "dilation_rate", c.dilation);
  put_text(&a, "padding", c.padding);
  put_int(&a, "groups", c.groups);
  put_text(&a, "activation", c.activation);
  put_off(&a, "use_bias", c.no_bias);
  put_text(&a, "kernel_initializer", c.kernel_initializer);
  put_text(&a, "kernel_regularizer", c.kernel_regularizer);
  return finish(&a, c.x, "Conv2D", c.name, c.more);
}

static kd_out pooling(const char *type, const kd_pooling2d_args *p) {
  arguments a = begin();
  put_int(&a, "pool_size", p->size);
  put_int(&a, "strides", p->strides);
  put_text(&a, "padding", p->padding);
  return finish(&a, p->x, type, p->name, p->more);
}

kd_out kd_max_pooling2d_call(kd_pooling2d_args p) {
  return pooling("MaxPooling2D", &p);
}

kd_out kd_average_pooling2d_call(kd_pooling2d_args p) {
  return pooling("AveragePooling2D", &p);
}

kd_out kd_batch_normalization_call(kd_batch_normalization_args b) {
  arguments a = begin();
  put_float(&a, "momentum", b.momentum);
  put_float(&a, "epsilon", b.epsilon);
  put_off(&a, "center", b.no_center);
  put_off(&a, "scale", b.no_scale);
  return finish(&a, b.x, "BatchNormalization", b.name, b.more);
}

kd_out kd_layer_normalization_call(kd_layer_normalization_args l) {
  arguments a = begin();
  put_float(&a, "epsilon", l.epsilon);
  put_off(&a, "center", l.no_center);
  put_off(&a, "scale", l.no_scale);
  return finish(&a, l.x, "LayerNormalization", l.name, l.more);
}

kd_out kd_embedding_call(kd_embedding_args e) {
  arguments a = begin();
  put_int(&a, "input_dim", e.input_dim);
  put_int(&a, "output_dim", e.output_dim);
  if (e.mask_zero) put(&a, "mask_zero=true");
  return finish(&a, e.x, "Embedding", e.name, e.more);
}

kd_out kd_flatten(kd_out x) {
  return kd_net_layer(x, "Flatten", NULL);
}

kd_out kd_dropout(kd_out x, double rate) {
  arguments a = begin();
  put(&a, "rate=%.17g", rate);
  return finish(&a, x, "Dropout", NULL, NULL);
}

kd_out kd_activation(kd_out x, const char *function) {
  return kd_net_layer(x, "Activation", function);
}

kd_out kd_global_average_pooling2d(kd_out x) {
  return kd_net_layer(x, "GlobalAveragePooling2D", NULL);
}

kd_out kd_concatenate_list(int n, const kd_out *inputs) {
  return kd_merge("Concatenate", NULL, n, inputs);
}
