/* What option tables and layers refuse, and that the messages name what disagrees. */
#include "support/check.h"
#include "support/one_layer.h"

static void refuse(const char *text, kd_shape input, const char *part) {
  const char *errors = layer_errors(text, input);
  if (!strstr(errors, part)) fail_msg("%s: '%s' is not in: %s", text, part, errors);
}

static void accept(const char *text, kd_shape input) {
  const char *errors = layer_errors(text, input);
  if (*errors) fail_msg("%s: %s", text, errors);
}

static void test_names(void **state) {
  (void)state;
  kd_shape x = KD_SHAPE(2, 8);
  refuse("Dense(4, unis=3)", x, "unis");
  refuse("Dense()", x, "'units' is missing");
  refuse("Dense(0)", x, "units = 0 is out of range");
  refuse("Dense(1.5)", x, "units");
  refuse("Dense(1e18)", x, "units");
  refuse("Dense(4, rely)", x, "relu");
  refuse("Dense(4, kernel_initializer=glorot)", x, "glorot");
  refuse("Dense(4, kernel_regularizer=l3)", x, "l3");
  refuse("Dense(4, kernel_constraint=MaxNrm)", x, "MaxNorm");
  refuse("Dense(4, kernel_constraint=MaxNorm(-1))", x, "max_value");
  refuse("Dense(4, kernel_constraint=MaxNorm(axis=2))", x, "axis 2, which a weight of shape");
  refuse("Dense(4, bias_constraint=MinMaxNorm(2, 1))", x, "min_value = 2 is above max_value = 1");
  accept("Dense(4, kernel_constraint=MaxNorm, bias_constraint=non_neg)", x);
  refuse("BatchNormalization(renorm=true)", x, "renorm");
  refuse("Activation(threshold)", x, "'threshold' is missing");
  refuse("Activation()", x, "'activation' is missing");
  refuse("Dense(4, leaky_relu(slope=1))", x, "slope");
  accept("Dense(4, none, false, zeros, kernel_regularizer=L1L2(0.1, 0.2))", x);
  accept("LeakyReLU(alpha=0.2)", x);
  accept("MaxPool1D()", KD_SHAPE(2, 4, 3));
}

static void test_ranks(void **state) {
  (void)state;
  refuse("Dense(4)", KD_SHAPE(2), "needs an input of rank 2 or more, but its shape is (None,)");
  refuse("Conv2D(4, 3)", KD_SHAPE(2, 8, 8), "needs an input of rank 4, but its shape is (None, 8, 8)");
  refuse("Conv1D(4, 3)", KD_SHAPE(2, 8, 8, 1), "needs an input of rank 3");
  refuse("GlobalMaxPooling2D()", KD_SHAPE(2, 8, 8), "needs an input of rank 4");
  refuse("ZeroPadding2D()", KD_SHAPE(2, 8, 8), "needs an input of rank 4");
  refuse("UpSampling1D()", KD_SHAPE(2, 8), "needs an input of rank 3");
  refuse("RepeatVector(2)", KD_SHAPE(2, 8, 1), "needs an input of rank 2");
  refuse("Permute((2, 1))", KD_SHAPE(2, 8), "dims has 2 axes");
}

static void test_windows(void **state) {
  (void)state;
  kd_shape x = KD_SHAPE(2, 8, 6, 4);
  refuse("Conv2D(4, 3, strides=2, dilation_rate=2)", x, "strides = 2 and dilation_rate = 2");
  refuse("Conv2D(4, 3, groups=3)", x, "groups = 3 does not divide filters = 4");
  refuse("Conv2D(6, 3, groups=3)", x, "groups = 3 does not divide the 4 channels");
  refuse("Conv2D(4, (3, 3, 3))", x, "kernel_size has 3 numbers, but needs 1 or 2");
  refuse("Conv2D(4, 3, strides=(1, 2, 3))", x, "strides has 3 numbers");
  refuse("Conv2D(4, 3, padding=causal)", x, "causal");
  refuse("Conv2D(4, 7)", x, "a window of 7 cells does not fit axis 2 of the input of shape (None, 8, 6, 4)");
  refuse("Conv2D(4, 3, dilation_rate=4)", x, "a window of 9 cells does not fit axis 1");
  refuse("Conv2D(4, 3, data_format=channels_first)", x, "channels_first");
  refuse("AveragePooling2D()", x, "'pool_size' is missing");
  refuse("MaxPooling2D(0)", x, "pool_size");
  refuse("SeparableConv2D(4, 3, padding=causal)", x, "causal");
  accept("Conv2D(4, 7, padding=same)", x);
  accept("DepthwiseConv2D(3, strides=2, dilation_rate=2)", x);
}

static void test_axes(void **state) {
  (void)state;
  kd_shape x = KD_SHAPE(2, 8, 6);
  refuse("Softmax(0)", x, "axis 0 is the batch axis");
  refuse("Softmax((1, -2))", x, "axis -2 is given twice");
  refuse("Softmax(3)", x, "axis 3 is outside the input's shape (None, 8, 6)");
  refuse("BatchNormalization(axis=5)", x, "axis 5 is outside");
  refuse("LayerNormalization(axis=-3)", x, "batch axis");
  refuse("PReLU(shared_axes=3)", x, "axis 3 is outside");
  refuse("Dense(3, glu)", x, "glu halves axis -1, but its size 3 is odd");
  refuse("Permute((1, 1))", x, "each axis from 1 to 2 once");
  refuse("Permute((1, 3))", x, "each axis from 1 to 2 once");
}

static void test_shapes(void **state) {
  (void)state;
  kd_shape x = KD_SHAPE(2, 8, 6);
  refuse("Reshape((-1, -1))", x, "target_shape may have one -1, but it has 2");
  refuse("Reshape((7, 7))", x, "48 numbers a sample, which target_shape (None, 7, 7) cannot hold");
  refuse("Reshape((1, 2, 2, 2, 2, 3))", x, "target_shape has 6 sizes");
  refuse("Reshape((2147483647, 2147483647, 2147483647))", x, "layer under_test (Reshape)");
  refuse("Cropping1D((4, 4))", x, "leaves nothing of axis 1");
  refuse("Cropping1D((1, 2, 3))", x, "cropping must be a number of cells");
  refuse("ZeroPadding1D(-1)", x, "padding must be a number of cells");
  refuse("ZeroPadding1D(a)", x, "padding must be a number of cells");
  refuse("ZeroPadding2D(((1, 2), 3, 4))", KD_SHAPE(2, 3, 3, 1), "((top, bottom), (left, right))");
  refuse("Rescaling((1, 2))", x, "(2, 8, 6)");
  refuse("Normalization()", x, "give mean and variance");
  refuse("Normalization(mean=(1, 2), variance=(1, 2))", x, "2 numbers, but the axis has size 6");
  refuse("Normalization(0, mean=1, variance=1)", x, "axis");
  refuse("LayerScale(0.1, 5)", x, "projection_dim = 5");
  refuse("VarianceScaling(0)", x, "no layer class");
  accept("Reshape((2, -1, 3))", x);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_names), cmocka_unit_test(test_ranks),  cmocka_unit_test(test_windows),
      cmocka_unit_test(test_axes),  cmocka_unit_test(test_shapes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
