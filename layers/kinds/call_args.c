/* Call arguments, as launch/expand_layer.c leaves them: tensors are positions among the inputs of the call.
 */
#include <string.h>

#include "layers/kinds/kinds.h"
#include "layers/model.h"

const kd_call_arg *kd_layer_call_arg(const kd_layer_kind *kind, int index) {
  static const kd_call_arg training = {"training", KD_CALL_CHOICE,
                                       "in training or not, whatever the pass is; none: as the pass"};
  const kd_call_arg *arg = kind->call_args;
  for (; arg && arg->name; arg++)
    if (index-- == 0) return arg;
  return kind->takes_training && index == 0 ? &training : NULL;
}

const kd_call_arg kd_call_mask[] = {KD_CALL_ROW_MASK, KD_CALL_ROW_END};

/* NULL when the argument is not given or none. */
static const kd_value *find(const kd_build *build, const char *name) {
  const kd_call *call = build->call;
  for (int i = 0; i < call->n_args; i++)
    if (!strcmp(call->arg_names[i], name) && call->arg_values[i]->type != KD_V_NONE)
      return call->arg_values[i];
  return NULL;
}

int kd_call_n_positional(const kd_build *build, int n_inputs) {
  const kd_call *call = build->call;
  int64_t count = n_inputs;
  for (int i = 0; i < call->n_args; i++) {
    const kd_value *value = call->arg_values[i];
    for (int k = 0; value->type == KD_V_LIST && k < value->count; k++)
      if (value->items[k].type == KD_V_INT && value->items[k].integer < count)
        count = value->items[k].integer;
  }
  return (int)count;
}

kd_status kd_call_choice(const kd_build *build, const char *name, bool otherwise, bool *choice) {
  const kd_value *value = find(build, name);
  KD_CHECK(!value || value->type == KD_V_BOOL, KD_ERR_USAGE, "call argument %s must be true or false", name);
  *choice = value ? value->boolean : otherwise;
  return KD_OK;
}

kd_status kd_call_flag(const kd_build *build, const char *name, bool *flag) {
  return kd_call_choice(build, name, false, flag);
}

kd_status kd_call_int(const kd_build *build, const char *name, int64_t otherwise, int64_t *number) {
  const kd_value *value = find(build, name);
  KD_CHECK(!value || value->type == KD_V_INT, KD_ERR_USAGE, "call argument %s must be a whole number", name);
  *number = value ? value->integer : otherwise;
  return KD_OK;
}

kd_status kd_call_tensors(const kd_build *build, const char *name, int room, int *count, int *inputs) {
  const kd_value *value = find(build, name);
  *count = 0;
  if (!value) return KD_OK;
  KD_CHECK(value->type == KD_V_LIST, KD_ERR_USAGE, "call argument %s must name a layer or input", name);
  KD_CHECK(value->count <= room, KD_ERR_USAGE, "call argument %s takes at most %d tensor%s, but has %d", name,
           room, room == 1 ? "" : "s", value->count);
  for (int i = 0; i < value->count; i++) {
    const kd_value *item = &value->items[i];
    KD_CHECK(item->type == KD_V_INT && item->integer >= 0 && item->integer < build->call->n_inputs,
             KD_ERR_USAGE, "call argument %s must name layers or inputs", name);
    inputs[(*count)++] = (int)item->integer;
  }
  return KD_OK;
}

kd_status kd_call_tensor(const kd_build *build, const char *name, int *input) {
  int count;
  *input = -1;
  return kd_call_tensors(build, name, 1, &count, input);
}
