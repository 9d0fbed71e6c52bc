#include "launch/build_model.h"

#include <string.h>

#include "device/base/text.h"
#include "launch/layer_args.h"

typedef struct builder {
  kd_interpolation *context;
  kd_diag *diag;
  const kd_model_spec *spec;
  kd_model *model;
  bool all;                    /* with layers that no output needs */
  const kd_layer_kind **kinds; /* per layer of the spec; NULL: unknown or shared */
  void **options;              /* per layer; NULL after errors */
  bool *frozen;                /* per layer: by itself or by a call that shares it */
  kd_policy *policy;           /* per layer */
  int *layer;                  /* per layer: number in the model, or -1 */
  int *call;                   /* per layer: number of its call, or -1 */
  kd_tap *input;               /* per input; call -1 after errors */
} builder;

typedef struct input_options {
  const kd_value *shape;
  const char *dtype;
  bool sparse;
  int64_t batch_size;
} input_options;

static const kd_option input_table[] = {
    {.name = "shape",
     .type = KD_OPT_VALUE,
     .offset = offsetof(input_options, shape),
     .help = "sizes without the batch; none: variable; (): one number per sample"},
    {.name = "dtype",
     .type = KD_OPT_TEXT,
     .offset = offsetof(input_options, dtype),
     .initial = "float32",
     .help = "type of the values that enter the layers"},
    {.name = "sparse",
     .type = KD_OPT_BOOL,
     .offset = offsetof(input_options, sparse),
     .initial = "false",
     .help = "sparse rows; false only"},
    {.name = "batch_size",
     .type = KD_OPT_INT,
     .offset = offsetof(input_options, batch_size),
     .initial = "none",
     .help = "fixed batch of stateful models",
     .min = 1,
     .max = 2147483647,
     .flags = KD_OPT_NONE_OK},
    {.name = NULL},
};

const kd_kind kd_input_section_kind = {.name = "input",
                                       .help = "an input of the model",
                                       .options = input_table,
                                       .options_size = sizeof(input_options)};

static bool read_shape(builder *b, const kd_input_spec *input, const kd_value *value, kd_shape *shape) {
  bool list = value->type == KD_V_LIST;
  int count = list ? value->count : 1;
  if (count > KD_MAX_RANK - 1) {
    kd_diag_error(b->diag, value->origin, "input %s: shape has %d sizes, at most %d are possible",
                  input->name, count, KD_MAX_RANK - 1);
    return false;
  }
  *shape = (kd_shape){.rank = count};
  for (int i = 0; i < count; i++) {
    const kd_value *size = list ? &value->items[i] : value;
    bool variable = size->type == KD_V_NONE;
    if (!variable && (size->type != KD_V_INT || size->integer < 1 || size->integer > 2147483647)) {
      kd_diag_error(b->diag, value->origin,
                    "input %s: shape = %s: every size is an int in [1, 2147483647] or none", input->name,
                    kd_quoted(kd_value_print(b->diag->pool, value)));
      return false;
    }
    shape->dim[i] = variable ? -1 : size->integer;
  }
  return true;
}

static bool read_dtype(builder *b, const kd_input_spec *input, const char *name, kd_dtype *dtype) {
  if (kd_dtype_parse(name, dtype)) return true;
  const char *names[KD_N_DTYPES], *list = "";
  for (int i = 0; i < KD_N_DTYPES; i++) {
    names[i] = kd_dtype_name((kd_dtype)i);
    list = kd_pool_printf(b->diag->pool, "%s%s%s", list, i ? ", " : "", names[i]);
  }
  const char *near = kd_nearest(name, names, KD_N_DTYPES, sizeof *names);
  kd_diag_error(b->diag, input->origin, "input %s: dtype = %s is unknown; %s%s%s", input->name,
                kd_quoted(name), near ? "did you mean '" : "known are: ", near ? near : list,
                near ? "'?" : "");
  return false;
}

static void add_input(builder *b, int index) {
  const kd_input_spec *input = &b->spec->inputs[index];
  input_options options = {0};
  kd_shape shape;
  kd_dtype dtype;
  const char *subject = kd_pool_printf(b->diag->pool, "input %s", input->name);
  b->input[index] = (kd_tap){-1, 0};
  bool good = kd_section_fill(b->context, input->section, subject, &kd_input_section_kind, NULL, &options) &&
              read_shape(b, input, options.shape, &shape) && read_dtype(b, input, options.dtype, &dtype);
  if (good && options.sparse) {
    kd_diag_error(b->diag, input->origin, "input %s: sparse = true is not available; feed dense rows",
                  input->name);
    good = false;
  }
  if (!good) return;
  int64_t batch = options.batch_size == KD_UNSET_INT ? 0 : options.batch_size;
  b->input[index] = kd_model_add_input(b->model, input->name, dtype, shape, batch, input->origin);
  kd_layer *made = b->model->layers[b->model->calls[b->input[index].call]->layer];
  made->rank = input->rank;
  made->stored = input->stored;
}

static void unknown_type(builder *b, const kd_layer_spec *layer) {
  const char *hint = kd_family_hint(b->diag->pool, &kd_layer_family, layer->type);
  const char *block =
      kd_nearest(layer->type, b->spec->block_names, (size_t)b->spec->n_blocks, sizeof(char *));
  if (!*hint && block) hint = kd_pool_printf(b->diag->pool, "; did you mean block '%s'?", block);
  if (!*hint) hint = "; 'kdist layers' lists all types";
  kd_diag_error(b->diag, layer->origin, "layer %s: unknown type '%s'%s", kd_quoted(layer->name),
                kd_quoted(layer->type), hint);
}

/* The layer's own policy, or the model's. */
static kd_policy read_policy(builder *b, const kd_layer_spec *layer) {
  kd_policy policy = b->model->policy;
  if (layer->dtype && !kd_policy_parse(layer->dtype, &policy))
    kd_diag_error(b->diag, layer->origin, "layer %s: dtype = %s is unknown; %s", kd_quoted(layer->name),
                  kd_quoted(layer->dtype), kd_policy_hint(b->diag->pool, layer->dtype));
  return policy;
}

/* Finds the kinds and fills the options of all layers, needed or not. */
static void fill_options(builder *b) {
  for (int i = 0; i < b->spec->n_layers; i++) {
    const kd_layer_spec *layer = &b->spec->layers[i];
    b->policy[i] = read_policy(b, layer);
    if (!layer->trainable) b->frozen[layer->share >= 0 ? layer->share : i] = true;
    if (!layer->type) continue;
    const kd_kind *kind = kd_family_find(&kd_layer_family, layer->type);
    if (!kind) {
      unknown_type(b, layer);
      continue;
    }
    b->kinds[i] = (const kd_layer_kind *)kind;
    void *options = kd_pool_alloc(b->model->pool, 1, kind->options_size);
    if (kd_layer_args_fill(b->model->pool, b->diag, b->spec, layer, kind, options)) b->options[i] = options;
  }
}

/* The model's layer of a spec, made when it is first called. */
static int model_layer(builder *b, int index) {
  const kd_layer_spec *layer = &b->spec->layers[index];
  if (b->layer[index] >= 0 || !b->options[index]) return b->layer[index];
  b->layer[index] = kd_model_add_layer(b->model, b->kinds[index], layer->name, b->options[index],
                                       !b->frozen[index], layer->origin);
  kd_layer *made = b->model->layers[b->layer[index]];
  made->policy = b->policy[index];
  made->rank = layer->rank;
  made->stored = layer->stored;
  made->stored_frozen = layer->stored_frozen;
  return b->layer[index];
}

static kd_tap tap_of(builder *b, const kd_spec_tap *tap, const char *subject) {
  if (tap->input >= 0) return b->input[tap->input];
  if (tap->layer < 0) return (kd_tap){-1, 0};
  int call = b->call[tap->layer];
  if (call >= 0 && tap->output >= b->model->calls[call]->n_outputs) {
    kd_diag_error(b->diag, tap->origin, "%s: %s has %d output%s, there is no output %d", subject,
                  b->spec->layers[tap->layer].name, b->model->calls[call]->n_outputs,
                  b->model->calls[call]->n_outputs == 1 ? "" : "s", tap->output);
    return (kd_tap){-1, 0};
  }
  return (kd_tap){call, tap->output};
}

/* Adds the call when all that it needs is there; what is missing has been reported. */
static void add_call(builder *b, int index) {
  const kd_layer_spec *layer = &b->spec->layers[index];
  int number = model_layer(b, layer->share >= 0 ? layer->share : index);
  const char *subject = kd_pool_printf(b->diag->pool, "layer %s", layer->name);
  kd_tap *inputs = kd_pool_alloc(b->model->pool, (size_t)layer->n_inputs, sizeof *inputs);
  bool good = number >= 0;
  for (int i = 0; i < layer->n_inputs; i++) {
    inputs[i] = tap_of(b, &layer->inputs[i], subject);
    good = good && inputs[i].call >= 0;
  }
  if (!good) return;
  size_t n_args = (size_t)layer->call_args.count;
  const char **names = kd_pool_alloc(b->model->pool, n_args, sizeof *names);
  const kd_value **values = kd_pool_alloc(b->model->pool, n_args, sizeof *values);
  for (size_t i = 0; i < n_args; i++) {
    names[i] = layer->call_args.v[i].key;
    values[i] = layer->call_args.v[i].value;
  }
  b->call[index] = kd_model_add_call(b->model, number, layer->name, layer->n_inputs, inputs, (int)n_args,
                                     names, values, layer->origin);
  b->model->calls[b->call[index]]->masks = layer->masks;
}

static void check_blocks(builder *b) {
  for (int i = 0; i < b->spec->n_blocks; i++) {
    const char *name = b->spec->block_names[i];
    if (!kd_family_find(&kd_layer_family, name)) continue;
    const kd_ini_section *section = kd_ini_section_find(b->context->ini, "block", name);
    kd_diag_error(b->diag, section->origin, "block %s: there is a layer type of that name", name);
  }
}

static int *numbers(builder *b) {
  int *all = kd_pool_alloc(b->context->pool, (size_t)b->spec->n_layers, sizeof *all);
  for (int i = 0; i < b->spec->n_layers; i++) all[i] = -1;
  return all;
}

static void add_all(builder *b) {
  for (int i = 0; i < b->spec->n_inputs; i++) add_input(b, i);
  kd_defaults_check(b->diag, b->spec);
  check_blocks(b);
  fill_options(b);
  if (!b->spec->order) return;
  for (int i = 0; i < b->spec->n_layers; i++)
    if (b->all || b->spec->layers[b->spec->order[i]].used) add_call(b, b->spec->order[i]);
  for (int i = 0; i < b->spec->n_outputs; i++) {
    const kd_output_spec *output = &b->spec->outputs[i];
    kd_tap tap = tap_of(b, &output->tap, kd_pool_printf(b->diag->pool, "output %s", output->name));
    if (tap.call >= 0) kd_model_add_output(b->model, output->name, tap);
  }
}

/* Shapes are checked for what could be added, so that these errors come together with the others. */
static void finish(builder *b) {
  kd_model *model = b->model;
  size_t errors = b->diag->count;
  if (errors > 0 && (model->n_inputs == 0 || model->n_calls == 0)) return;
  if (errors > 0 && model->n_outputs == 0) kd_model_add_output(model, NULL, (kd_tap){model->n_calls - 1, 0});
  kd_status status = kd_model_finish(model, b->diag);
  if (status != KD_OK && b->diag->count == 0)
    kd_diag_error(b->diag, (kd_origin){NULL, 0}, "%s", kd_status_text());
}

static kd_model *build(kd_interpolation *context, const char *name, const kd_model_spec *spec,
                       kd_policy policy, bool all) {
  builder b = {
      .context = context, .diag = context->diag, .spec = spec, .model = kd_model_create(name), .all = all};
  b.model->policy = policy;
  size_t n = (size_t)spec->n_layers;
  b.kinds = kd_pool_alloc(context->pool, n, sizeof *b.kinds);
  b.options = kd_pool_alloc(context->pool, n, sizeof *b.options);
  b.frozen = kd_pool_alloc(context->pool, n, sizeof *b.frozen);
  b.policy = kd_pool_alloc(context->pool, n, sizeof *b.policy);
  b.layer = numbers(&b);
  b.call = numbers(&b);
  b.input = kd_pool_alloc(context->pool, (size_t)spec->n_inputs, sizeof *b.input);
  add_all(&b);
  finish(&b);
  if (b.diag->count == 0) return b.model;
  kd_model_destroy(b.model);
  return NULL;
}

kd_model *kd_model_from_spec(kd_interpolation *context, const char *name, const kd_model_spec *spec,
                             kd_policy policy) {
  bool unused = false;
  for (int i = 0; i < spec->n_layers; i++) unused = unused || !spec->layers[i].used;
  if (!unused) return build(context, name, spec, policy, false);
  /* Layers that are left out must be right too: they are built once, only to be checked. */
  kd_model *all = build(context, name, spec, policy, true);
  if (!all) return NULL;
  kd_model_destroy(all);
  return build(context, name, spec, policy, false);
}
