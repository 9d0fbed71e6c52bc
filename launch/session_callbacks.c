#include <string.h>

#include "device/base/file.h"
#include "launch/session.h"
#include "trainer/backup.h"

void kd_session_callbacks(kd_session *s, int count, const kd_callback_config *callbacks, kd_fit_spec *fit) {
  fit->callbacks = kd_pool_alloc(s->pool, (size_t)count, sizeof *fit->callbacks);
  fit->n_callbacks = count;
  for (int i = 0; i < count; i++) {
    const kd_callback_config *config = &callbacks[i];
    const kd_callback_kind *kind = (const kd_callback_kind *)config->object.kind;
    fit->callbacks[i] = (kd_callback){.kind = kind,
                                      .name = kd_pool_printf(s->pool, "callbacks/%s", config->name),
                                      .options = config->object.options,
                                      .pool = s->pool,
                                      .state = kd_pool_alloc(s->pool, 1, kind->state_size + 1)};
    if (strcmp(kind->base.name, "BackupAndRestore") != 0) continue;
    const kd_backup_options *backup = config->object.options;
    fit->checkpoint_folder = kd_path_join(s->pool, s->config->run.run.dir, backup->backup_dir);
    if (backup->save_freq->type == KD_V_INT) fit->checkpoint_steps = backup->save_freq->integer;
  }
}

kd_fit_spec kd_session_fit(const kd_run_config *c) {
  return (kd_fit_spec){.epochs = c->train.epochs,
                       .initial_epoch = c->train.initial_epoch,
                       .steps_per_epoch = c->train.steps_per_epoch,
                       .validation_steps = c->train.validation_steps,
                       .validation_freq = c->train.validation_freq,
                       .n_validation_epochs = c->train.n_validation_epochs,
                       .validation_epochs = c->train.validation_epochs,
                       .shuffle = c->train.shuffle,
                       .seed = (uint64_t)c->run.seed};
}
