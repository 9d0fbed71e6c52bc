/* What the emulated device was asked for. */
#ifndef KD_TEST_EMULATED_COUNTS_H
#define KD_TEST_EMULATED_COUNTS_H

typedef struct emulated_counts {
  long waits; /* calls that had to run work before they returned: on a GPU the host would have waited */
  long done;  /* pieces of work that have run */
  long records, replays;
} emulated_counts;

#ifdef __cplusplus
extern "C"
#endif
    emulated_counts
    emulate_counts(void);

#endif
