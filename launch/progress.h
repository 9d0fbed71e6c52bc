/* What fit prints: Keras's bar on a terminal, plain lines elsewhere, JSON lines on request. */
#ifndef KD_PROGRESS_H
#define KD_PROGRESS_H

#include "trainer/trainer.h"

typedef enum kd_progress_mode {
  KD_PROGRESS_AUTO, /* bar on a terminal, else plain; plain with several ranks, whose output a launcher
                       carries */
  KD_PROGRESS_BAR,
  KD_PROGRESS_PLAIN,
  KD_PROGRESS_JSON,
  KD_PROGRESS_NONE,
} kd_progress_mode;

typedef struct kd_progress kd_progress;
kd_progress *kd_progress_create(kd_progress_mode mode, const char *color, int ranks, int64_t batch_size);
void kd_progress_destroy(kd_progress *progress); /* NULL is allowed */
kd_reporter kd_progress_reporter(kd_progress *progress);

/* One value as Keras prints it: %.4f, or %.4e when |v| <= 1e-3. */
void kd_progress_number(double value, char buffer[32]);
/* Whether stdout may have colours: color is "auto", "always" or "never"; NO_COLOR and FORCE_COLOR count. */
bool kd_color_wanted(const char *color);

#endif
