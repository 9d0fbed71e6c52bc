#include "layers/op/window.h"

enum { LARGEST = 1 << 30 }; /* keeps all sums and products below within int64 */

kd_status kd_window_output(const char *what, int axis, int64_t input, int64_t window, int64_t stride,
                           int64_t dilation, int64_t pad_before, int64_t pad_after, int64_t *output) {
  KD_CHECK(window >= 1 && stride >= 1 && dilation >= 1 && pad_before >= 0 && pad_after >= 0, KD_ERR_USAGE,
           "%s: window %lld, stride %lld, dilation %lld, padding %lld and %lld along spatial axis %d", what,
           (long long)window, (long long)stride, (long long)dilation, (long long)pad_before,
           (long long)pad_after, axis);
  KD_CHECK(input <= LARGEST && window <= LARGEST && dilation <= LARGEST && pad_before <= LARGEST &&
               pad_after <= LARGEST,
           KD_ERR_USAGE, "%s: a size along spatial axis %d is too large", what, axis);
  int64_t padded = input + pad_before + pad_after, reach = (window - 1) * dilation + 1;
  KD_CHECK(
      reach <= padded, KD_ERR_USAGE,
      "%s: the window covers %lld along spatial axis %d, but the input has only %lld (%lld with padding)",
      what, (long long)reach, axis, (long long)input, (long long)padded);
  *output = (padded - reach) / stride + 1;
  return KD_OK;
}
