/* Launches of ATTENTION and ATTENTION_GRAD: by own kernels (attention.c), or by cuDNN (attention_dnn.c). */
#ifndef KD_CUDA_ATTENTION_H
#define KD_CUDA_ATTENTION_H

#include "device/cuda/launch.h"
#include "device/op.h"

/* Sizes, addresses and masks of a launch whose operands are float32; the addresses of others are not used. */
kd_job_attention kd_cuda_attention_job(const kd_launch *launch);

/* Bytes of scores that cuDNN keeps at a time, where it can be cut so small; tests cut smaller. */
extern int64_t kd_attention_piece;

/* KD_ERR_RUN where the library has no plan, or the form is not one that it is asked for: own kernels take
 * over. Else the handle of the launch is set, released by the last of these (which allows NULL). */
kd_status kd_attention_dnn_prepare(kd_launch *launch);
kd_status kd_attention_dnn_bind(kd_launch *launch);
kd_status kd_attention_dnn_run(const kd_launch *launch);
void kd_attention_dnn_release(kd_launch *launch);

#endif
