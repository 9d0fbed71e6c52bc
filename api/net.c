/* Building a model: every function adds lines to the configuration's text. */
#include "api/net.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "device/base/text.h"
#include "launch/config_print.h"
#include "launch/expand.h"

enum { NAME_LENGTH = 200, TEXT_LIMIT = 16 << 20 };

static void append(kd_net *net, kd_prose *prose, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void append(kd_net *net, kd_prose *prose, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *more = kd_pool_vprintf(net->pool, format, args);
  va_end(args);
  size_t length = strlen(more), need = prose->length + length + 1;
  if (need > prose->capacity) {
    size_t capacity = 2 * need;
    char *text = kd_pool_alloc(net->pool, capacity, 1);
    if (prose->text) memcpy(text, prose->text, prose->length);
    prose->text = text;
    prose->capacity = capacity;
  }
  memcpy(prose->text + prose->length, more, length + 1);
  prose->length += length;
}

static const char *prose_text(const kd_prose *prose) {
  return prose->text ? prose->text : "";
}

/* Option texts become parts of lines: a line break would begin another line. */
static bool one_line(const char *text) {
  for (; text && *text; text++)
    if (iscntrl((unsigned char)*text)) return false;
  return true;
}

void kd_net_fail(kd_net *net, kd_status status) {
  if (net->status != KD_OK) return;
  net->status = status;
  net->failure = kd_pool_strdup(net->pool, kd_status_text());
}

static kd_out fail(kd_net *net, kd_status status) {
  kd_net_fail(net, status);
  return (kd_out){net, -1, 0};
}

static kd_net *create(const char *name) {
  kd_pool *pool = kd_pool_create();
  kd_net *net = kd_pool_alloc(pool, 1, sizeof *net);
  net->pool = pool;
  net->name = kd_pool_strdup(pool, name);
  kd_runtime_count_nets(1);
  return net;
}

kd_status kd_net_create(const char *name, kd_net **net) {
  KD_CHECK(net, KD_ERR_USAGE, "kd_net_create: net is NULL");
  *net = NULL;
  KD_CHECK(name && strlen(name) <= NAME_LENGTH && kd_valid_name(name), KD_ERR_USAGE,
           "'%s' cannot name a net: use letters, digits and _", kd_quoted(name ? name : ""));
  *net = create(name);
  return KD_OK;
}

kd_status kd_net_from_ini(const char *text, kd_net **net) {
  KD_CHECK(net, KD_ERR_USAGE, "kd_net_from_ini: net is NULL");
  *net = NULL;
  KD_CHECK(text && strlen(text) < TEXT_LIMIT, KD_ERR_USAGE, "kd_net_from_ini: there is no text, or too much");
  kd_net *made = create("model");
  made->source = kd_pool_strdup(made->pool, text);
  kd_status status = kd_net_ready(made, "kd_net_from_ini");
  if (status == KD_OK)
    *net = made;
  else
    kd_net_destroy(made);
  return status;
}

void kd_net_destroy(kd_net *net) {
  if (!net || net->running) return;
  kd_net_release(net);
  kd_saved_free(&net->saved);
  kd_pool_destroy(net->history_pool);
  kd_pool_destroy(net->pool);
  kd_runtime_count_nets(-1);
}

kd_status kd_net_status(const kd_net *net) {
  KD_CHECK(net, KD_ERR_USAGE, "there is no net (NULL)");
  return net->status == KD_OK ? KD_OK : kd_fail(net->status, "%s", net->failure);
}

static bool known(const kd_net *net, const char *name) {
  for (int i = 0; i < net->n_entries; i++)
    if (!strcmp(net->entries[i].name, name)) return true;
  return false;
}

static kd_out add_entry(kd_net *net, const char *name, const char *origin) {
  net->entries =
      kd_pool_grow(net->pool, net->entries, (size_t)net->n_entries, &net->capacity, sizeof *net->entries);
  net->entries[net->n_entries] = (kd_net_layer_entry){name, origin ? origin : name};
  net->ini = NULL;
  return (kd_out){net, net->n_entries++, 0};
}

/* Keras's automatic names: "max_pooling2d", then "max_pooling2d_1". */
static const char *automatic_name(kd_net *net, const char *type) {
  char base[NAME_LENGTH + 1];
  size_t n = 0;
  for (const char *c = type; *c && n < sizeof base - 2; c++) {
    bool upper = isupper((unsigned char)*c);
    bool starts =
        upper && c > type && (islower((unsigned char)c[-1]) || (c[1] && islower((unsigned char)c[1])));
    if (starts && !isdigit((unsigned char)c[-1])) base[n++] = '_';
    base[n++] = (char)tolower((unsigned char)*c);
  }
  base[n] = '\0';
  if (!known(net, base)) return kd_pool_strdup(net->pool, base);
  for (int i = 1;; i++) {
    const char *name = kd_pool_printf(net->pool, "%s_%d", base, i);
    if (!known(net, name)) return name;
  }
}

/* Building is over once the net has a configuration, or has failed. */
static bool building(kd_net *net) {
  if (net->status != KD_OK) return false;
  if (!net->source && !net->compiled) return true;
  kd_net_fail(net,
              kd_fail(KD_ERR_USAGE, "net %s: layers are added before kd_compile, to nets of kd_net_create",
                      net->name));
  return false;
}

static kd_status check_name(kd_net *net, const char *name) {
  KD_CHECK(name && strlen(name) <= NAME_LENGTH && kd_valid_name(name), KD_ERR_USAGE,
           "net %s: '%s' cannot name a layer: use letters, digits and _", net->name,
           kd_quoted(name ? name : ""));
  KD_CHECK(!known(net, name), KD_ERR_USAGE, "net %s: there is a layer %s already", net->name, name);
  return KD_OK;
}

static const char *shape_text(kd_net *net, int rank, const int64_t *shape) {
  const char *text = rank ? "" : "()";
  for (int i = 0; i < rank; i++) {
    const char *comma = i ? ", " : "";
    text = shape[i] < 0 ? kd_pool_printf(net->pool, "%s%snone", text, comma)
                        : kd_pool_printf(net->pool, "%s%s%lld", text, comma, (long long)shape[i]);
  }
  return text;
}

kd_out kd_net_input(kd_net *net, const char *name, kd_dtype dtype, int rank, const int64_t *shape) {
  if (!net || !building(net)) return (kd_out){net, -1, 0};
  kd_status status = check_name(net, name);
  if (status == KD_OK &&
      (rank < 0 || rank >= KD_MAX_RANK || (rank > 0 && !shape) || (unsigned)dtype >= KD_N_DTYPES))
    status = kd_fail(KD_ERR_USAGE, "net %s: input %s: a sample has 0 to %d axes and a kd_dtype", net->name,
                     name, KD_MAX_RANK - 1);
  if (status != KD_OK) return fail(net, status);
  append(net, &net->inputs, "[input %s]\nshape = %s\ndtype = %s\n", name, shape_text(net, rank, shape),
         kd_dtype_name(dtype));
  return add_entry(net, kd_pool_strdup(net->pool, name), NULL);
}

const char *kd_net_tensors(kd_net *net, int n, const kd_out *inputs) {
  const char *list = "";
  if (n < 1 || !inputs) {
    kd_net_fail(net, kd_fail(KD_ERR_USAGE, "net %s: a layer needs an input", net->name));
    return NULL;
  }
  for (int i = 0; i < n; i++) {
    if (inputs[i].net != net || inputs[i].layer < 0 || inputs[i].layer >= net->n_entries) {
      kd_net_fail(net, kd_fail(KD_ERR_USAGE, "net %s: input %d of a layer belongs to no layer of this net",
                               net->name, i + 1));
      return NULL;
    }
    const char *name = net->entries[inputs[i].layer].name;
    list = inputs[i].output
               ? kd_pool_printf(net->pool, "%s%s%s:%d", list, i ? ", " : "", name, inputs[i].output)
               : kd_pool_printf(net->pool, "%s%s%s", list, i ? ", " : "", name);
  }
  return list;
}

/* The place of "name=" among the arguments, not in those of other objects; NULL: there is none. */
static const char *find_name(const char *options) {
  bool begins = true, quoted = false;
  int depth = 0;
  for (const char *c = options; *c; c++) {
    if (begins && depth == 0 && strncmp(c, "name", 4) == 0 && c[4 + strspn(c + 4, " \t")] == '=') return c;
    if (*c == '"') quoted = !quoted;
    if (!quoted) depth += (*c == '(' || *c == '[') - (*c == ')' || *c == ']');
    if (!isspace((unsigned char)*c)) begins = *c == ',' && !quoted;
  }
  return NULL;
}

/* Takes "name=..." out of the options: the name is the key of the layer's line. */
static const char *take_name(kd_net *net, const char *options, const char **name) {
  const char *at = find_name(options);
  *name = NULL;
  if (!at) return options;
  const char *value = strchr(at, '=') + 1;
  value += strspn(value, " \t");
  const char *rest = value + strcspn(value, ",");
  size_t length = (size_t)(rest - value);
  while (length > 0 && isspace((unsigned char)value[length - 1])) length--;
  *name = kd_pool_strndup(net->pool, value, length);
  size_t before = (size_t)(at - options);
  if (*rest == ',')
    rest += 1 + strspn(rest + 1, " \t");
  else
    while (before > 0 && strchr(", \t", options[before - 1])) before--;
  return kd_pool_printf(net->pool, "%.*s%s", (int)before, options, rest);
}

static bool valid_class(const char *type) {
  if (!type || !isalpha((unsigned char)*type) || strlen(type) > NAME_LENGTH) return false;
  return kd_valid_name(type);
}

kd_out kd_net_add(kd_net *net, const char *type, const char *options, int n, const kd_out *inputs,
                  const char *call) {
  if (!building(net)) return (kd_out){net, -1, 0};
  if (!valid_class(type) || !one_line(options))
    return fail(net, kd_fail(KD_ERR_USAGE, "net %s: '%s' is no layer class, or its options have line breaks",
                             net->name, kd_quoted(type ? type : "")));
  const char *list = kd_net_tensors(net, n, inputs), *name;
  if (!list) return (kd_out){net, -1, 0};
  options = take_name(net, options ? options : "", &name);
  if (!name) name = automatic_name(net, type);
  kd_status status = check_name(net, name);
  if (status != KD_OK) return fail(net, status);
  append(net, &net->layers, "%s = %s(%s)(%s%s)\n", name, type, options, list, call);
  return add_entry(net, name, NULL);
}

kd_out kd_net_layer(kd_out x, const char *type, const char *options) {
  return x.net ? kd_net_add(x.net, type, options, 1, &x, "") : x;
}

kd_out kd_net_last(kd_net *net) {
  return (kd_out){net, net ? net->n_entries - 1 : -1, 0};
}

kd_out kd_net_append(kd_net *net, const char *type, const char *options) {
  return kd_net_layer(kd_net_last(net), type, options);
}

kd_out kd_net_merge(kd_net *net, const char *type, const char *options, int n, const kd_out *inputs) {
  return net ? kd_net_add(net, type, options, n, inputs, "") : (kd_out){NULL, -1, 0};
}

kd_out kd_net_share(kd_out layer, int n, const kd_out *inputs) {
  kd_net *net = layer.net;
  if (!net || !building(net)) return (kd_out){net, -1, 0};
  if (!kd_net_tensors(net, 1, &layer)) return (kd_out){net, -1, 0};
  const char *list = kd_net_tensors(net, n, inputs);
  if (!list) return (kd_out){net, -1, 0};
  const char *origin = net->entries[layer.layer].origin, *name = automatic_name(net, origin);
  append(net, &net->layers, "%s = share(%s)(%s)\n", name, origin, list);
  return add_entry(net, name, origin);
}

kd_out kd_net_result(kd_out layer, int output) {
  layer.output = output;
  return layer;
}

kd_status kd_net_output(kd_out out) {
  KD_CHECK(out.net, KD_ERR_USAGE, "kd_net_output: the tensor belongs to no net");
  kd_net *net = out.net;
  if (!building(net)) return kd_net_status(net);
  const char *from = kd_net_tensors(net, 1, &out);
  if (!from) return kd_net_status(net);
  const char *name = net->entries[out.layer].name;
  if (out.output) name = kd_pool_printf(net->pool, "%s_%d", name, out.output);
  append(net, &net->outputs, "[output %s]\nfrom = %s\n", name, from);
  net->ini = NULL;
  return KD_OK;
}

const char *kd_net_ini(kd_net *net) {
  if (!net) return "";
  if (net->compiled) return kd_config_text(net->session.config, KD_CONFIG_SHORT, false, false);
  if (!net->ini) net->ini = kd_net_text(net);
  return net->ini;
}

const char *kd_net_text(kd_net *net) {
  if (net->source) return net->source;
  return kd_pool_printf(net->pool, "[run]\nname = %s\n%s[layers]\n%s%s", net->name, prose_text(&net->inputs),
                        prose_text(&net->layers), prose_text(&net->outputs));
}
