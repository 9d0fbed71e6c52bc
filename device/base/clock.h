/* Time in seconds from clocks that do not jump. */
#ifndef KD_BASE_CLOCK_H
#define KD_BASE_CLOCK_H

double kd_now(void);                 /* monotonic */
double kd_since_process_start(void); /* seconds since the process was started by the system */

#endif
