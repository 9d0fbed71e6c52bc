/* Rule of pointwise programs: shapes. The gradient is in pointwise_grad.c. */
#include "layers/op/pointwise.h"

#include "layers/op/rule.h"

bool kd_pw_is_random(kd_pw op) {
  return op == KD_PW_UNIFORM || op == KD_PW_NORMAL;
}

/* Inputs read as the words of the random state; they take no part in broadcasting. */
static void find_random_inputs(const kd_pointwise_attr *attr, bool *is_rng) {
  for (int s = 0; s < attr->n_steps; s++)
    if (kd_pw_is_random((kd_pw)attr->step[s].op) && attr->step[s].arg[0] < attr->n_inputs)
      is_rng[attr->step[s].arg[0]] = true;
}

static kd_status check_steps(const kd_pointwise_attr *attr, const bool *is_rng) {
  KD_CHECK(attr->n_steps >= 1 && attr->n_steps <= KD_MAX_STEPS, KD_ERR_INTERNAL,
           "a pointwise program has %d steps", attr->n_steps);
  for (int s = 0; s < attr->n_steps; s++) {
    const kd_pw_step *step = &attr->step[s];
    KD_CHECK(step->op < KD_N_PW, KD_ERR_INTERNAL, "step %d of a pointwise program is unknown", s);
    for (int a = 0; a < kd_pw_operands((kd_pw)step->op); a++) {
      bool rng = step->arg[a] < attr->n_inputs && is_rng[step->arg[a]];
      KD_CHECK(step->arg[a] < attr->n_inputs + s && rng == kd_pw_is_random((kd_pw)step->op), KD_ERR_INTERNAL,
               "step %d (%s) of a pointwise program has a wrong operand %d", s, kd_pw_name((kd_pw)step->op),
               step->arg[a]);
    }
  }
  return KD_OK;
}

static kd_status check_input(const kd_pointwise_attr *attr, const kd_sym_info *input, bool is_rng) {
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  kd_shape common, words = KD_SHAPE(4);
  if (is_rng) {
    KD_CHECK(input->dtype == KD_U32 && kd_shape_equal(&input->shape, &words), KD_ERR_INTERNAL,
             "the random state must be uint32 of shape (4,), not %s of shape %s", kd_dtype_name(input->dtype),
             kd_shape_text(&input->shape, a));
    return KD_OK;
  }
  KD_CHECK(kd_shape_broadcast(&input->shape, &attr->shape, &common) && kd_shape_equal(&common, &attr->shape),
           KD_ERR_USAGE, "a pointwise operand of shape %s does not broadcast to %s",
           kd_shape_text(&input->shape, a), kd_shape_text(&attr->shape, b));
  return KD_OK;
}

static kd_status infer(const void *attr_, int n_inputs, const kd_sym_info *const *input,
                       kd_sym_info *output) {
  const kd_pointwise_attr *attr = attr_;
  bool is_rng[KD_MAX_INPUTS] = {false};
  KD_CHECK(attr->n_inputs == n_inputs, KD_ERR_INTERNAL, "a pointwise program of %d inputs is given %d",
           attr->n_inputs, n_inputs);
  find_random_inputs(attr, is_rng);
  KD_TRY(check_steps(attr, is_rng));
  for (int i = 0; i < n_inputs; i++) KD_TRY(check_input(attr, input[i], is_rng[i]));
  for (int i = 0; i < attr->n_outputs; i++) {
    KD_CHECK(attr->output[i] < n_inputs + attr->n_steps, KD_ERR_INTERNAL,
             "output %d of a pointwise program names operand %d", i, attr->output[i]);
    output[i].dtype = attr->output_dtype[i];
    output[i].shape = attr->shape;
  }
  return KD_OK;
}

const kd_rule kd_rule_pointwise = {.infer = infer, .grad = kd_pointwise_grad};
