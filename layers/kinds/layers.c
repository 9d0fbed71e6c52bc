/* The registry of layer classes. */
#include "layers/kinds/kinds.h"

static const kd_kind *const kinds[] = {
#define KD_LAYER(id) &kd_layer_##id.base,
#include "layers/kinds/layers.def"
#undef KD_LAYER
};

const kd_family kd_layer_family = {"layer", kinds, sizeof kinds / sizeof *kinds};
