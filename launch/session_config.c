#include "device/base/file.h"
#include "device/base/hash.h"
#include "launch/session.h"

enum { PROGRAM_LIMIT = 1 << 30 };

/* Ranks must run the same program: a hash of its file. */
static kd_status program_hash(uint64_t *hash) {
  kd_pool *pool = kd_pool_create();
  char *data;
  size_t bytes;
  kd_status status = kd_file_read(pool, "/proc/self/exe", PROGRAM_LIMIT, &data, &bytes);
  if (status == KD_OK) *hash = kd_hash(data, bytes, 0);
  kd_pool_destroy(pool);
  return status;
}

static kd_ini_request request(kd_session *s) {
  return (kd_ini_request){.system_file = KD_INI_SYSTEM_FILE,
                          .user_file = kd_ini_user_file(s->pool),
                          .n_files = s->cli->n_files,
                          .files = s->cli->files,
                          .n_overrides = s->cli->n_overrides,
                          .overrides = s->cli->overrides,
                          .use_environment = true};
}

static uint64_t argument_hash(const kd_cli *cli) {
  uint64_t hash = kd_hash_text(cli->command->name, 1);
  for (int i = 0; i < cli->argc; i++) hash = kd_hash_text(cli->argv[i], hash);
  return hash;
}

/* Ranks compare the bytes that they read, then all read rank 0's. */
static kd_status share_sources(kd_session *s, const kd_ini_request *files) {
  uint64_t program;
  KD_TRY(program_hash(&program));
  KD_TRY(kd_comm_agree(s->comm, "program", program));
  KD_TRY(kd_comm_agree(s->comm, "command line", argument_hash(s->cli)));
  KD_TRY(kd_comm_agree(s->comm, "configuration", kd_config_hash(s->config, files)));
  char *data = NULL;
  size_t bytes = 0;
  if (s->comm->rank == 0) kd_sources_pack(s->config->sources, s->pool, &data, &bytes);
  KD_TRY(kd_comm_broadcast(s->comm, &bytes, sizeof bytes));
  if (s->comm->rank != 0) data = kd_pool_alloc(s->pool, bytes + 1, 1);
  KD_TRY(kd_comm_broadcast(s->comm, data, bytes));
  if (s->comm->rank == 0) return KD_OK;
  kd_sources *sources;
  KD_TRY(kd_sources_unpack(s->pool, data, bytes, &sources));
  kd_config_destroy(s->config);
  s->config = kd_config_load(files, sources);
  return KD_OK;
}

kd_status kd_session_configure(kd_session *s) {
  kd_ini_request files = request(s);
  s->config = kd_config_load(&files, NULL);
  if (s->purpose != KD_FOR_MODEL && s->comm->size > 1) KD_TRY(share_sources(s, &files));
  s->model = kd_config_model(s->config);
  if (s->config->diag->count == 0) kd_session_check_ranks(s);
  KD_TRY(kd_diag_status(s->config->diag));
  KD_CHECK(s->model && s->model->n_outputs > 0, KD_ERR_USAGE,
           "%s: there is no model: give [input NAME] and [layer NAME] sections, or [layers]",
           s->config->file);
  return KD_OK;
}
