/* Layers over sequences, attention, wrappers and what came with them: options that exclude each other,
 * shapes, masks, states and call arguments that do not fit. Each gives one message that names the layer, what
 * disagrees and what is allowed. */
#include "support/check.h"
#include "support/one_layer.h"

#define SEQUENCE KD_SHAPE(2, 5, 3)
#define IMAGE    KD_SHAPE(2, 5, 6, 3)

#define INPUTS(...)                                                                                          \
  (int)(sizeof((kd_shape[]){__VA_ARGS__}) / sizeof(kd_shape)), (kd_shape[]) {                                \
    __VA_ARGS__                                                                                              \
  }
#define PARTS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The one message about the layer has all parts. masked: inputs with a Masking layer in front; batch_size:
 * fixed, or 0. */
static void refuse_as(unsigned masked, int64_t batch_size, const char *text, int n_inputs,
                      const kd_shape *inputs, const char *const *parts) {
  const char *errors = layer_errors_called(text, n_inputs, inputs, masked, batch_size);
  if (!*errors) fail_msg("%s is accepted", text);
  for (; *parts; parts++)
    if (!strstr(errors, *parts)) fail_msg("%s: '%s' is not in: %s", text, *parts, errors);
  const char *end = strchr(errors, '\n');
  if (end && end[1]) fail_msg("%s: more than one message: %s", text, errors);
}

static void refuse(const char *text, int n_inputs, const kd_shape *inputs, const char *const *parts) {
  refuse_as(0, 0, text, n_inputs, inputs, parts);
}

static void test_recurrent(void **state) {
  (void)state;
  refuse("LSTM(4)", INPUTS(KD_SHAPE(2, 5)), PARTS("LSTM", "(batch, steps, features)", "(None, 5)"));
  refuse("GRU(4)", INPUTS(IMAGE), PARTS("GRU", "(batch, steps, features)", "(None, 5, 6, 3)"));
  refuse("LSTM(4, gelu)", INPUTS(SEQUENCE), PARTS("LSTM", "activation", "gelu"));
  refuse("GRU(4, recurrent_activation=softmax)", INPUTS(SEQUENCE),
         PARTS("GRU", "recurrent_activation", "softmax"));
  refuse("LSTM(4)(initial_state=(1,))", INPUTS(SEQUENCE, KD_SHAPE(2, 4)),
         PARTS("LSTM", "initial_state has 1 tensor", "2"));
  refuse("GRU(4)(initial_state=(1,))", INPUTS(SEQUENCE, KD_SHAPE(2, 5)),
         PARTS("GRU", "(None, 5)", "(None, 4)"));
  refuse("GRU(4)(initial_state=(1,))", INPUTS(SEQUENCE, KD_SHAPE(2, 1, 4)),
         PARTS("GRU", "(None, 1, 4)", "(None, 4)"));
  refuse("GRU(4)(initial_sate=(1,))", INPUTS(SEQUENCE, KD_SHAPE(2, 4)),
         PARTS("GRU", "no call argument 'initial_sate'", "it takes initial_state, mask"));
  refuse("LSTM(4)(mask=(1,))", INPUTS(SEQUENCE, KD_SHAPE(2, 4)), PARTS("LSTM", "mask", "(None, 4)"));
  refuse("LSTM(4)(mask=(1, 2))", INPUTS(SEQUENCE, KD_SHAPE(2, 5), KD_SHAPE(2, 5)),
         PARTS("LSTM", "mask takes at most 1 tensor"));
  refuse("Dense(4)(mask=(1,))", INPUTS(SEQUENCE, KD_SHAPE(2, 5)), PARTS("Dense", "no call argument 'mask'"));
  refuse("LSTM(4, stateful=true)", INPUTS(SEQUENCE), PARTS("LSTM", "stateful = true", "batch_size"));
  refuse_as(0, 2, "TimeDistributed(LSTM(4, stateful=true))", INPUTS(KD_SHAPE(2, 4, 5, 3)),
            PARTS("LSTM", "stateful", "TimeDistributed"));
  refuse("RNN([])", INPUTS(SEQUENCE), PARTS("RNN", "cell is empty"));
  refuse("RNN([StackedRNNCells([LSTMCell(2), GRUCell(2)]), GRUCell(3)])", INPUTS(SEQUENCE),
         PARTS("RNN", "stack of cells in a list"));
  refuse("RNN(LSTM(3))", INPUTS(SEQUENCE), PARTS("RNN", "LSTM", "LSTMCell"));
  refuse("RNN(LSTMCell(3, dropout=1.0))", INPUTS(SEQUENCE), PARTS("dropout = 1", "in [0, 1)"));
  refuse("Bidirectional(Dense(3))", INPUTS(SEQUENCE), PARTS("Bidirectional", "LSTM, GRU, SimpleRNN or RNN"));
  refuse("Bidirectional(LSTM(3, go_backwards=true))", INPUTS(SEQUENCE),
         PARTS("Bidirectional", "go_backwards = true"));
  refuse("Bidirectional(LSTM(3), backward_layer=LSTM(3))", INPUTS(SEQUENCE),
         PARTS("Bidirectional", "backwards", "false and false"));
  refuse("Bidirectional(LSTM(3), backward_layer=GRU(3, go_backwards=true, return_sequences=true))",
         INPUTS(SEQUENCE), PARTS("Bidirectional", "agree in return_sequences"));
  refuse("Bidirectional(LSTM(3), sum, backward_layer=LSTM(4, go_backwards=true))", INPUTS(SEQUENCE),
         PARTS("Bidirectional", "3 units forwards and 4 backwards", "concatenated"));
  refuse("Bidirectional(LSTM(3))(initial_state=(1, 2))", INPUTS(SEQUENCE, KD_SHAPE(2, 3), KD_SHAPE(2, 3)),
         PARTS("Bidirectional", "initial_state has 2 tensors", "4"));
  refuse("TimeDistributed(Dense(3))", INPUTS(KD_SHAPE(2, 5)),
         PARTS("TimeDistributed", "three axes", "(None, 5)"));
  refuse("TimeDistributed(Conv2D(3, 2))", INPUTS(IMAGE), PARTS("TimeDistributed", "Conv2D", "rank 4"));
  refuse("TimeDistributed(Add())", INPUTS(SEQUENCE), PARTS("TimeDistributed", "Add"));
  refuse("TimeDistributed(LSTM(3, return_state=true))", INPUTS(IMAGE),
         PARTS("TimeDistributed", "LSTM has 3 outputs, not one"));
  refuse("TimeDistributed(SpectralNormalization(Dense(3)))", INPUTS(SEQUENCE),
         PARTS("SpectralNormalization within TimeDistributed"));
  refuse("SpectralNormalization(Flatten())", INPUTS(SEQUENCE),
         PARTS("SpectralNormalization", "Flatten has no kernel", "Dense"));
  refuse("SpectralNormalization(LSTM(3))", INPUTS(SEQUENCE),
         PARTS("SpectralNormalization", "LSTM has no kernel"));
}

static void test_attention(void **state) {
  (void)state;
  refuse("Attention()", INPUTS(SEQUENCE), PARTS("Attention", "at least 2 inputs", "1"));
  refuse("Attention()", INPUTS(SEQUENCE, KD_SHAPE(2, 4, 2)),
         PARTS("Attention", "(None, 5, 3)", "(None, 4, 2)"));
  refuse("AdditiveAttention()", INPUTS(SEQUENCE, SEQUENCE, KD_SHAPE(2, 6, 3)),
         PARTS("AdditiveAttention", "value's steps"));
  refuse("Attention()", INPUTS(SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE),
         PARTS("Attention", "at most 3 inputs", "4"));
  refuse("Attention()(mask=(2,))", INPUTS(SEQUENCE, SEQUENCE, KD_SHAPE(2, 5)),
         PARTS("Attention", "two tensors"));
  refuse("Attention()(mask=(2, 3))", INPUTS(SEQUENCE, SEQUENCE, KD_SHAPE(2, 5), KD_SHAPE(2, 4)),
         PARTS("mask of the value", "(None, 4)", "5"));
  refuse("Attention()(use_causal_mask=3)", INPUTS(SEQUENCE, SEQUENCE),
         PARTS("use_causal_mask must be true or false"));
  refuse("MultiHeadAttention(2, 3)", INPUTS(SEQUENCE, KD_SHAPE(2, 5)),
         PARTS("MultiHeadAttention", "(None, 5)"));
  refuse("MultiHeadAttention(2, 3)", INPUTS(KD_SHAPE(2, 5), SEQUENCE),
         PARTS("MultiHeadAttention", "(None, 5)"));
  refuse("MultiHeadAttention(2, 3)", INPUTS(SEQUENCE, SEQUENCE, KD_SHAPE(2, 6, 3)),
         PARTS("MultiHeadAttention", "(None, 6, 3)"));
  refuse("MultiHeadAttention(2, 3, attention_axes=2)", INPUTS(SEQUENCE, SEQUENCE),
         PARTS("attention_axes: axis 2", "(None, 5, 3)"));
  refuse("MultiHeadAttention(2, 3, attention_axes=(1, 1))", INPUTS(IMAGE, IMAGE),
         PARTS("attention_axes: axis 1", "twice"));
  refuse("MultiHeadAttention(2, 3, output_shape=0)", INPUTS(SEQUENCE, SEQUENCE),
         PARTS("MultiHeadAttention", "output_shape"));
  refuse("MultiHeadAttention(2, 3, flash_attention=true, dropout=0.1)", INPUTS(SEQUENCE, SEQUENCE),
         PARTS("flash_attention", "dropout"));
  refuse("MultiHeadAttention(2, 3)(attention_mask=(2,))", INPUTS(SEQUENCE, SEQUENCE, KD_SHAPE(2, 5)),
         PARTS("attention_mask", "(None, 5)"));
  refuse("MultiHeadAttention(2, 3)(use_causal_mask=true)", INPUTS(IMAGE, IMAGE),
         PARTS("use_causal_mask", "attention_axes = 1"));
  refuse_as(3, 0, "MultiHeadAttention(2, 3)", INPUTS(IMAGE, IMAGE), PARTS("masks", "attention_axes = 1"));
  refuse("MultiHeadAttention(2, 3)(key=(3,))", INPUTS(SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE),
         PARTS("key is given by position and by name"));
  refuse("MultiHeadAttention(2, 3, flash_attention=true)(return_attention_scores=true)",
         INPUTS(SEQUENCE, SEQUENCE), PARTS("return_attention_scores = true", "flash_attention = false"));
  refuse("MultiHeadAttention(2, 3)(return_attention_scores=1)", INPUTS(SEQUENCE, SEQUENCE),
         PARTS("return_attention_scores must be true or false"));
  refuse("MultiHeadAttention(2, 3)(return_attention_scores=true)",
         INPUTS(KD_SHAPE(2, 2, 2, 2, 3), KD_SHAPE(2, 2, 2, 2, 3)), PARTS("scores would have 8 axes", "6"));
  refuse("GroupQueryAttention(3, 4, 3)", INPUTS(SEQUENCE, SEQUENCE),
         PARTS("num_key_value_heads = 3", "num_query_heads = 4"));
  refuse("GroupQueryAttention(3, 4, 2)", INPUTS(IMAGE, IMAGE),
         PARTS("GroupQueryAttention", "(batch, steps, features)", "(None, 5, 6, 3)"));
  refuse("EinsumDense(\"abc,cd\", 4)", INPUTS(SEQUENCE), PARTS("EinsumDense", "equation", "abc,cd"));
  refuse("EinsumDense(\"abc,cd->abd\", 4)", INPUTS(SEQUENCE), PARTS("output_shape has 1 size", "2"));
  refuse("EinsumDense(\"abc,cd->abd\", (4, 6))", INPUTS(SEQUENCE),
         PARTS("output_shape gives axis b", "4", "5"));
  refuse("EinsumDense(\"abc,cd->abd\", (none, 4), bias_axes=x)", INPUTS(SEQUENCE),
         PARTS("bias_axes = 'x'", "no axis x"));
  refuse("EinsumDense(\"abcd,cd->ab\", 5)", INPUTS(SEQUENCE),
         PARTS("EinsumDense", "equation 'abcd,cd->ab' needs an input with 4 axes", "3"));
}

static void test_others(void **state) {
  (void)state;
  refuse("Softmax()(mask=(1,))", INPUTS(SEQUENCE, KD_SHAPE(2, 5)),
         PARTS("Softmax", "mask has the shape (None, 5)", "(None, 5, 3)"));
  refuse("Softmax()(mask=(1,))", INPUTS(SEQUENCE, KD_SHAPE(2, 4, 3)), PARTS("Softmax", "(None, 4, 3)"));
  refuse("Softmax()", INPUTS(SEQUENCE, SEQUENCE), PARTS("Softmax", "at most 1 input"));
  refuse("Embedding(4, 3, mask_zero=2)", INPUTS(KD_SHAPE(2, 5)), PARTS("mask_zero", "true or false"));
  refuse("Masking(a)", INPUTS(SEQUENCE), PARTS("mask_value"));
  refuse("SpatialDropout1D(0.5)", INPUTS(KD_SHAPE(2, 5)), PARTS("SpatialDropout1D", "rank 3", "(None, 5)"));
  refuse("SpatialDropout2D(0.5)", INPUTS(SEQUENCE), PARTS("SpatialDropout2D", "rank 4"));
  refuse("SpatialDropout3D(0.5)", INPUTS(IMAGE), PARTS("SpatialDropout3D", "rank 5"));
  refuse("AlphaDropout(0.5, noise_shape=(1, 5, 3))", INPUTS(SEQUENCE),
         PARTS("noise_shape", "begin with none"));
  refuse("Dropout(0.5, noise_shape=(none, 4, 3))", INPUTS(SEQUENCE),
         PARTS("noise_shape has size 4 in axis 1", "(None, 5, 3)"));
  refuse("Dot(1)", INPUTS(SEQUENCE), PARTS("Dot", "2 inputs", "1"));
  refuse("Dot(2)", INPUTS(SEQUENCE, KD_SHAPE(2, 4, 2)), PARTS("Dot", "(None, 5, 3)", "(None, 4, 2)"));
  refuse("Dot((1, 2, 3))", INPUTS(SEQUENCE, SEQUENCE), PARTS("Dot", "axes"));
  refuse("Dot(0)", INPUTS(SEQUENCE, SEQUENCE), PARTS("Dot", "batch"));
  refuse("RepeatVector(3)", INPUTS(SEQUENCE), PARTS("RepeatVector", "rank 2"));
  refuse("Cropping2D(((1, 2), (3, 3)))", INPUTS(IMAGE), PARTS("Cropping2D", "leaves nothing of axis 2"));
  refuse("Cropping3D((1, 2))", INPUTS(KD_SHAPE(2, 5, 5, 5, 1)), PARTS("cropping", "three axes"));
  refuse("UpSampling2D((2, 2, 2))", INPUTS(IMAGE), PARTS("size has 3 numbers", "1 or 2"));
  refuse("UpSampling3D(2)", INPUTS(IMAGE), PARTS("UpSampling3D", "rank 5"));
  refuse("Conv1DTranspose(4, 3, strides=2, output_padding=2)", INPUTS(SEQUENCE),
         PARTS("output_padding = 2", "strides = 2"));
  refuse("Conv2DTranspose(4, 3, strides=2, dilation_rate=2)", INPUTS(IMAGE),
         PARTS("strides = 2 and dilation_rate = 2"));
  refuse("Conv2DTranspose(4, 3)", INPUTS(SEQUENCE), PARTS("Conv2DTranspose", "rank 4"));
  refuse("Conv3D(4, 3)", INPUTS(IMAGE), PARTS("Conv3D", "rank 5"));
  refuse("Conv3D(4, (3, 3))", INPUTS(KD_SHAPE(2, 5, 5, 5, 1)), PARTS("kernel_size has 2 numbers", "1 or 3"));
  refuse("SeparableConv1D(4, 7)", INPUTS(SEQUENCE), PARTS("SeparableConv1D", "window of 7 cells"));
  refuse("GroupNormalization(2)", INPUTS(SEQUENCE), PARTS("GroupNormalization", "groups = 2", "3"));
  refuse("GroupNormalization(3, axis=4)", INPUTS(SEQUENCE), PARTS("GroupNormalization", "axis 4"));
  refuse("RMSNormalization(axis=0)", INPUTS(SEQUENCE), PARTS("RMSNormalization", "batch axis"));
  refuse("UnitNormalization(axis=(1, 1))", INPUTS(SEQUENCE), PARTS("UnitNormalization", "twice"));
  refuse("PositionEmbedding(4)", INPUTS(SEQUENCE),
         PARTS("PositionEmbedding", "steps 0 to 4", "sequence_length = 4"));
  refuse("PositionEmbedding(5)(start_index=1)", INPUTS(SEQUENCE),
         PARTS("PositionEmbedding", "steps 1 to 5", "sequence_length = 5"));
  refuse("SinePositionEncoding()", INPUTS(KD_SHAPE(2, 5)), PARTS("SinePositionEncoding", "(None, 5)"));
  refuse("BatchNormalization()(mask=(1,))", INPUTS(SEQUENCE, KD_SHAPE(2, 3)),
         PARTS("BatchNormalization", "mask", "(None, 3)"));
  refuse("ReversibleEmbedding(7, 4)(reverse=true)", INPUTS(SEQUENCE),
         PARTS("output_dim = 4", "(None, 5, 3)"));
  refuse("ReversibleEmbedding(7, 4)(reverse=1)", INPUTS(SEQUENCE), PARTS("reverse must be true or false"));
  refuse("AdaptiveMaxPooling2D((2, 2, 2))", INPUTS(IMAGE), PARTS("output_size has 3 numbers", "1 or 2"));
  refuse("AdaptiveAveragePooling1D(2)", INPUTS(IMAGE), PARTS("AdaptiveAveragePooling1D", "rank 3"));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_recurrent), cmocka_unit_test(test_attention),
                                     cmocka_unit_test(test_others)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
