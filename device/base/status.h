/* Status codes and error texts.
 *
 * A function that can fail returns a kd_status. The text of the failure is kept in a thread-local
 * record: the message of its origin, plus context lines that callers add on the way up
 * ("layer conv2 (Conv2D)"). Nothing is printed here; launch prints the record once. */
#ifndef KD_BASE_STATUS_H
#define KD_BASE_STATUS_H

#include "kdist_types.h" /* kd_status: the C API has the same */

/* The process exit code of a status (0, 2, 1, 1, 3, 75, 1). */
int kd_status_exit_code(kd_status status);

/* Bytes of an error text: all errors of a configuration (diag.h), each with a path and 200 bytes of it. */
enum { KD_STATUS_TEXT = 16384 };

/* Starts a new error record and returns `code`. Longer texts are cut; control bytes in
 * foreign text should be removed with kd_quote (text.h) before. */
kd_status kd_fail(kd_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "text: " before the present message. Returns `code` so that it can be used in a return. */
kd_status kd_fail_context(kd_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The message of the last kd_fail of this thread, never NULL. Valid until the next call. */
const char *kd_status_text(void);
void kd_status_clear(void);

/* Returns from the calling function when `call` fails. */
#define KD_TRY(call)                                                                                         \
  do {                                                                                                       \
    kd_status kd_try_status_ = (call);                                                                       \
    if (kd_try_status_ != KD_OK) return kd_try_status_;                                                      \
  } while (0)

/* Stores the status of `call` in `status` and jumps to `label` when it failed. */
#define KD_TRY_GOTO(call, status, label)                                                                     \
  do {                                                                                                       \
    (status) = (call);                                                                                       \
    if ((status) != KD_OK) goto label;                                                                       \
  } while (0)

/* Fails with `code` and a text when `condition` does not hold. (The compiler sees that `code` is returned:
 * after KD_TRY it knows what is initialised.) */
#define KD_CHECK(condition, code, ...)                                                                       \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      kd_fail((code), __VA_ARGS__);                                                                          \
      return (code);                                                                                         \
    }                                                                                                        \
  } while (0)

#endif
