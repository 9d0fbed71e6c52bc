/* Diagnostics on stderr. Rank 0 speaks; other ranks only for errors. Metrics on stdout belong to launch. */
#ifndef KD_BASE_LOG_H
#define KD_BASE_LOG_H

typedef enum kd_log_level { KD_LOG_ERROR, KD_LOG_WARNING, KD_LOG_INFO, KD_LOG_DEBUG } kd_log_level;

/* Who speaks: rank and host stand before messages of ranks other than 0 ("[rank 3 @ node02] "). With size 1
 * no prefix is written. */
void kd_log_identity(int rank, int size, const char *host);
void kd_log_set_level(kd_log_level level);
/* Where messages go in place of stderr: called with the complete line without its end, any thread. sink NULL:
 * nowhere. The library of the C API starts with nowhere, so that it prints nothing by itself. */
void kd_log_set_sink(void (*sink)(void *context, int level, const char *text), void *context);
void kd_log(kd_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
