#include "io/saved_model/folder.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/base/file.h"
#include "device/base/text.h"
#include "io/message_file.h"
#include "io/saved_model/export.h"

#define FILE_NAME "saved_model.pb"

/* The version of graphs for which defaults of operators are as TensorFlow 2 has them. */
enum { PRODUCER = 1286 };

static char *text(const char *constant) {
  return (char *)(uintptr_t)constant; /* protobuf-c writes its texts, it does not change them */
}

/* --- messages -------------------------------------------------------------------------------------- */

static Tensorflow__GraphDef *make_graph(const kd_tf *t) {
  Tensorflow__GraphDef *graph = kd_pool_alloc(t->pool, 1, sizeof *graph);
  tensorflow__graph_def__init(graph);
  graph->n_node = (size_t)t->n_nodes;
  graph->node = t->nodes;
  graph->versions = kd_pool_alloc(t->pool, 1, sizeof *graph->versions);
  tensorflow__version_def__init(graph->versions);
  graph->versions->has_producer = 1;
  graph->versions->producer = PRODUCER;
  return graph;
}

static Tensorflow__SignatureDef__TensorEntry **make_ports(const kd_tf *t, int count,
                                                          const kd_onnx_port *ports) {
  Tensorflow__SignatureDef__TensorEntry **list = kd_pool_alloc(t->pool, (size_t)count + 1, sizeof *list);
  for (int i = 0; i < count; i++) {
    Tensorflow__SignatureDef__TensorEntry *entry = list[i] = kd_pool_alloc(t->pool, 1, sizeof *entry);
    tensorflow__signature_def__tensor_entry__init(entry);
    entry->key = text(t->program->x->names[ports[i].value]);
    Tensorflow__TensorInfo *info = entry->value = kd_pool_alloc(t->pool, 1, sizeof *info);
    tensorflow__tensor_info__init(info);
    info->name = kd_pool_printf(t->pool, "%s:0", t->edge[ports[i].value].name);
    info->has_dtype = 1;
    info->dtype = kd_tf_type_of(ports[i].type);
    info->tensor_shape = kd_tf_open_shape(t->pool, ports[i].rank, ports[i].size);
  }
  return list;
}

static Tensorflow__MetaGraphDef__SignatureEntry *make_signature(const kd_tf *t) {
  Tensorflow__MetaGraphDef__SignatureEntry *entry = kd_pool_alloc(t->pool, 1, sizeof *entry);
  tensorflow__meta_graph_def__signature_entry__init(entry);
  Tensorflow__SignatureDef *signature = entry->value = kd_pool_alloc(t->pool, 1, sizeof *signature);
  tensorflow__signature_def__init(signature);
  entry->key = text("serving_default");
  signature->method_name = text("tensorflow/serving/predict");
  signature->n_inputs = (size_t)t->program->n_inputs;
  signature->inputs = make_ports(t, t->program->n_inputs, t->program->inputs);
  signature->n_outputs = (size_t)t->program->n_outputs;
  signature->outputs = make_ports(t, t->program->n_outputs, t->program->outputs);
  return entry;
}

static Tensorflow__MetaGraphDef *make_meta_graph(const kd_tf *t) {
  Tensorflow__MetaGraphDef *meta = kd_pool_alloc(t->pool, 1, sizeof *meta);
  tensorflow__meta_graph_def__init(meta);
  meta->meta_info_def = kd_pool_alloc(t->pool, 1, sizeof *meta->meta_info_def);
  tensorflow__meta_graph_def__meta_info_def__init(meta->meta_info_def);
  meta->meta_info_def->n_tags = 1;
  meta->meta_info_def->tags = kd_pool_alloc(t->pool, 1, sizeof *meta->meta_info_def->tags);
  meta->meta_info_def->tags[0] = text("serve");
  meta->graph_def = make_graph(t);
  meta->n_signature_def = 1;
  meta->signature_def = kd_pool_alloc(t->pool, 1, sizeof(Tensorflow__MetaGraphDef__SignatureEntry *));
  meta->signature_def[0] = make_signature(t);
  return meta;
}

static Tensorflow__SavedModel *make_model(const kd_tf *t) {
  Tensorflow__SavedModel *model = kd_pool_alloc(t->pool, 1, sizeof *model);
  tensorflow__saved_model__init(model);
  model->has_saved_model_schema_version = 1;
  model->saved_model_schema_version = 1;
  model->n_meta_graphs = 1;
  model->meta_graphs = kd_pool_alloc(t->pool, 1, sizeof(Tensorflow__MetaGraphDef *));
  model->meta_graphs[0] = make_meta_graph(t);
  return model;
}

/* --- the folder ------------------------------------------------------------------------------------ */

static void write_message(FILE *file, const void *message) {
  kd_message_write(file, message);
}

/* Nothing but what this file writes may be in a folder that gets a new model. */
static kd_status check_content(const char *folder) {
  DIR *dir = opendir(folder);
  KD_CHECK(dir, KD_ERR_RUN, "%s: cannot read the folder: %s", folder, strerror(errno));
  kd_status status = KD_OK;
  for (const struct dirent *e; status == KD_OK && (e = readdir(dir));)
    if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
        strncmp(e->d_name, FILE_NAME, strlen(FILE_NAME)) != 0)
      status = kd_fail(KD_ERR_RUN,
                       "%s: the folder holds %s, which is no part of a model of kdist; give another name",
                       folder, kd_quoted(e->d_name));
  closedir(dir);
  return status;
}

/* The name without slashes at its end. */
static char *plain_name(kd_pool *pool, const char *folder) {
  char *name = kd_pool_strdup(pool, folder);
  for (size_t n = strlen(name); n > 1 && name[n - 1] == '/';) name[--n] = '\0';
  return name;
}

kd_status kd_saved_model_check_folder(const char *folder) {
  kd_pool *pool = kd_pool_create();
  const char *name = plain_name(pool, folder);
  kd_status status = kd_path_exists(name) ? check_content(name) : KD_OK;
  kd_pool_destroy(pool);
  return status;
}

static kd_status write_new(kd_pool *pool, const char *folder, const Tensorflow__SavedModel *model) {
  const char *temporary = kd_pool_printf(pool, "%s.tmp", folder);
  const char *file = kd_path_join(pool, temporary, FILE_NAME);
  KD_CHECK(mkdir(temporary, 0755) == 0 || errno == EEXIST, KD_ERR_RUN, "%s: cannot create the folder: %s",
           temporary, strerror(errno));
  kd_status status = kd_stream_write(file, write_message, model);
  if (status == KD_OK) status = kd_file_commit(temporary, folder);
  if (status == KD_OK) return KD_OK;
  unlink(file);
  rmdir(temporary);
  return status;
}

kd_status kd_saved_model_folder_write(const char *folder, kd_tf *t) {
  const Tensorflow__SavedModel *model = make_model(t);
  const char *name = plain_name(t->pool, folder);
  if (!kd_path_exists(name)) return write_new(t->pool, name, model);
  KD_TRY(check_content(name));
  return kd_stream_write(kd_path_join(t->pool, name, FILE_NAME), write_message, model);
}

void kd_saved_model_remove(const char *folder) {
  kd_pool *pool = kd_pool_create();
  if (unlink(kd_path_join(pool, folder, FILE_NAME)) == 0) rmdir(folder);
  kd_pool_destroy(pool);
}
