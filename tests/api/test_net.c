/* Building nets: what the typed layers write, names, sizes that the data tell. */
#include <math.h>

#include "api/api_unit.h"

static kd_net *empty(void) {
  kd_net *net;
  assert_ok(kd_net_create("net", &net));
  return net;
}

static void line(kd_net *net, const char *text) {
  if (!strstr(kd_net_ini(net), text)) fail_msg("'%s' is not in:\n%s", text, kd_net_ini(net));
}

static void typed_layers(void **state) {
  (void)state;
  kd_net *net = empty();
  kd_out x = kd_net_input(net, "image", KD_U8, 3, (int64_t[]){16, 16, 3});
  x = kd_rescaling(x, "0.00392156862745098");
  x = kd_conv2d(x, 4, {3, 3}, .strides = {2, 1}, .padding = "same", .no_bias = true,
                .kernel_regularizer = "L1L2(l1=0.01, l2=0.02)");
  x = kd_batch_normalization(x, .momentum = 0.9, .no_scale = true, .synchronized = true, .name = "norm");
  x = kd_relu(x, .max_value = 6);
  x = kd_max_pooling2d(x, .pool_size = {2});
  x = kd_depthwise_conv2d(x, {3}, .depth_multiplier = 2);
  x = kd_zero_padding2d(x, .padding = "((1, 0), (2, 3))");
  x = kd_group_normalization(x, .groups = 4, .more = "epsilon=0, trainable=false");
  x = kd_reshape(x, {-1, 8});
  x = kd_permute(x, {2, 1});
  x = kd_bidirectional(x, "LSTM(5, return_sequences=true)", .merge_mode = "sum");
  x = kd_conv1d(x, 6, 3, .dilation_rate = 2, .activation = "gelu");
  x = kd_spatial_dropout2d(kd_reshape(x, {2, 2, -1}), 0.25, .seed = 3);
  x = kd_global_average_pooling2d(x);
  x = kd_leaky_relu(kd_dropout(x, 0), .negative_slope = 0.125);
  kd_softmax(kd_dense(x, 3), .axis = {-1});
  line(net, "[input image]\nshape = 16, 16, 3\ndtype = uint8\n");
  line(net, "rescaling = Rescaling(scale=0.00392156862745098)(image)\n");
  line(net, "conv2d = Conv2D(filters=4, kernel_size=(3, 3), strides=(2, 1), padding=same, use_bias=false, "
            "kernel_regularizer=L1L2(l1=0.01, l2=0.02))(rescaling)\n");
  line(net, "norm = BatchNormalization(momentum=0.9, scale=false, synchronized=true)(conv2d)\n");
  line(net, "re_lu = ReLU(max_value=6.0)(norm)\n");
  line(net, "max_pooling2d = MaxPooling2D(pool_size=2)(re_lu)\n");
  line(net, "depthwise_conv2d = DepthwiseConv2D(kernel_size=3, depth_multiplier=2)(max_pooling2d)\n");
  line(net, "ZeroPadding2D(padding=((1, 0), (2, 3)))");
  line(net, "GroupNormalization(groups=4, epsilon=0, trainable=false)");
  line(net, "reshape = Reshape(target_shape=(-1, 8))");
  line(net, "Permute(dims=(2, 1))");
  line(net, "Bidirectional(layer=LSTM(5, return_sequences=true), merge_mode=sum)");
  line(net, "Conv1D(filters=6, kernel_size=3, dilation_rate=2, activation=gelu)");
  line(net, "reshape_1 = Reshape(");
  line(net, "SpatialDropout2D(rate=0.25, seed=3)");
  line(net, "Dropout(rate=0.0)");
  line(net, "LeakyReLU(negative_slope=0.125)");
  line(net, "dense = Dense(units=3)");
  line(net, "softmax = Softmax(axis=-1)(dense)\n");
  assert_ok(kd_compile(net, .loss = "mse"));
  kd_net_destroy(net);
}

/* Arguments of calls: tensors, lists of them, switches, numbers. */
static void typed_calls(void **state) {
  (void)state;
  kd_net *net = empty();
  kd_out x = kd_net_input(net, "x", KD_F32, 2, (int64_t[]){7, 4});
  kd_out steps = kd_net_input(net, "steps", KD_F32, 1, (int64_t[]){7});
  kd_out state_of = kd_lstm(x, 4, .return_state = true);
  kd_out h = kd_net_result(state_of, 1), c = kd_net_result(state_of, 2);
  kd_out back = kd_lstm(x, 4, .return_sequences = true, .initial_state = {h, c}, .mask = steps);
  kd_out gru = kd_gru(x, 4, .initial_state = {h}, .training = "false");
  kd_out placed = kd_position_embedding(back, 9, .start_index = 2);
  kd_out many = kd_multi_head_attention(placed, back, 2, 3, .key = x, .value_mask = steps,
                                        .return_attention_scores = true, .use_causal_mask = true);
  kd_out sharp = kd_softmax(kd_net_result(many, 1), .mask = kd_net_result(many, 1));
  kd_out one = kd_attention(many, back, placed, .mask = {steps, steps});
  kd_out grouped = kd_group_query_attention(one, back, 2, 2, 1);
  kd_out named = kd_additive_attention(grouped, back, .use_causal_mask = true);
  kd_out sums = kd_dot(named, x, {1}, .normalize = true);
  kd_out dense = kd_einsum_dense(sums, "abc,cd->abd", "(none, 3)", .bias_axes = "d");
  kd_out cut = kd_cropping1d(dense, .cropping = "(0, 2)");
  kd_out flat = kd_flatten(kd_unit_normalization(cut));
  kd_net_output(kd_concatenate(kd_multiply(gru, h), kd_subtract(gru, c), kd_average(gru, h), flat));
  kd_net_output(sharp);
  line(net, "lstm_1 = LSTM(units=4, return_sequences=true)(x, initial_state=(lstm:1, lstm:2), mask=steps)\n");
  line(net, "gru = GRU(units=4)(x, initial_state=lstm:1, training=false)\n");
  line(net, "PositionEmbedding(sequence_length=9)(lstm_1, start_index=2)\n");
  line(net,
       "multi_head_attention = MultiHeadAttention(num_heads=2, key_dim=3)(position_embedding, lstm_1, key=x, "
       "value_mask=steps, return_attention_scores=true, use_causal_mask=true)\n");
  line(net, "softmax = Softmax()(multi_head_attention:1, mask=multi_head_attention:1)\n");
  line(net,
       "attention = Attention()(multi_head_attention, lstm_1, position_embedding, mask=(steps, steps))\n");
  line(net, "Dot(axes=1, normalize=true)(additive_attention, x)\n");
  line(net, "EinsumDense(equation=\"abc,cd->abd\", output_shape=(none, 3), bias_axes=\"d\")(dot)\n");
  line(net, "Cropping1D(cropping=(0, 2))(einsum_dense)\n");
  assert_ok(kd_compile(net));
  int rank;
  int64_t shape[KD_MAX_RANK];
  assert_ok(kd_net_output_shape(net, 1, &rank, shape));
  assert_int_equal(rank, 3);
  assert_int_equal(shape[0], 2);
  kd_net_destroy(net);
  net = empty();
  kd_net *other = empty();
  x = kd_net_input(net, "x", KD_F32, 2, (int64_t[]){7, 4});
  kd_out theirs = kd_net_input(other, "steps", KD_F32, 1, (int64_t[]){7});
  assert_true(kd_lstm(x, 4, .mask = theirs).layer < 0);
  assert_fails(kd_compile(net), KD_ERR_USAGE, "belongs to no layer of this net");
  kd_net_destroy(net);
  net = empty();
  x = kd_net_input(net, "x", KD_F32, 2, (int64_t[]){7, 4});
  kd_out failed = {NULL, -1, 0};
  assert_true(kd_lstm(x, 4, .mask = kd_lstm(failed, 4)).layer < 0);
  assert_fails(kd_compile(net), KD_ERR_USAGE, "belongs to no layer of this net");
  kd_net_destroy(net);
  kd_net_destroy(other);
}

/* The text of a net, compiled or not, is a net again, with the same weights. */
static void text_is_the_net(void **state) {
  (void)state;
  kd_net *net = empty(), *plain, *whole;
  kd_out x = kd_net_input(net, "x", KD_F32, 2, (int64_t[]){7, 4});
  kd_out all = kd_net_layer(x, "LSTM", "6, return_state=true, name = states , seed=2");
  x = kd_net_merge(net, "Concatenate", "axis=-1", 2, (kd_out[]){all, kd_net_result(all, 2)});
  kd_net_output(kd_dense(x, 2));
  kd_net_output(kd_net_result(all, 1));
  line(net, "states = LSTM(6, return_state=true, seed=2)(x)\n");
  line(net, "concatenate = Concatenate(axis=-1)(states, states:2)\n");
  assert_ok(kd_net_from_ini(kd_net_ini(net), &plain));
  assert_ok(kd_compile(net, .loss = "dict(dense=mse)", .seed = 4));
  assert_ok(kd_net_from_ini(kd_net_ini(net), &whole));
  api_same(net, whole);
  float points[2 * 7 * 4] = {1, 2, 3}, targets[4] = {1};
  kd_data data = {.count = 2, .x = {{.data = points}}, .y = {{.data = targets}}};
  assert_ok(kd_train_step(net, &data));
  assert_ok(kd_train_step(whole, &data));
  api_same(net, whole);
  assert_int_equal(kd_train_step(plain, &data), KD_ERR_USAGE); /* no loss */
  kd_net_destroy(net);
  kd_net_destroy(plain);
  kd_net_destroy(whole);
}

/* Steps of sequences of different lengths train the same weights. */
static void open_sizes(void **state) {
  (void)state;
  static float points[3 * 9 * 2], result[3];
  for (int i = 0; i < 54; i++) points[i] = (float)(i % 5) - 2;
  kd_net *net = empty();
  kd_out x = kd_net_input(net, "steps", KD_F32, 2, (int64_t[]){-1, 2});
  kd_dense(kd_global_average_pooling1d(kd_gru(x, 4, .return_sequences = true)), 1);
  assert_ok(kd_compile(net, .optimizer = "sgd", .loss = "mse"));
  float targets[3] = {1, 0, 1};
  double last = INFINITY;
  for (int round = 0; round < 20; round++)
    for (int64_t steps = 5; steps <= 9; steps += 4) {
      kd_data data = {.count = 3, .x = {{points, KD_F32, 2, {steps, 2}}}, .y = {{.data = targets}}};
      assert_ok(kd_train_step(net, &data));
      if (steps != 9) continue;
      assert_true(api_metric(net, "loss") < last);
      last = api_metric(net, "loss");
      assert_ok(kd_predict(net, &data, 2, (float *[]){result}));
    }
  kd_data unknown = {.count = 3, .x = {{.data = points}}, .y = {{.data = targets}}};
  assert_fails(kd_train_step(net, &unknown), KD_ERR_USAGE, "leaves it open");
  kd_net_destroy(net);
}

static void too_large(void **state) {
  (void)state;
  kd_net *net = empty();
  kd_out x = kd_net_input(net, "x", KD_F32, 1, (int64_t[]){1000000});
  kd_dense(kd_dense(x, 1000000), 1);
  float value = 0;
  assert_ok(kd_compile(net, .loss = "mse"));
  assert_fails(kd_set_weight(net, "dense_1/bias", &value), KD_ERR_USAGE, "not enough memory");
  kd_net_destroy(net);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(typed_layers), cmocka_unit_test(typed_calls), cmocka_unit_test(text_is_the_net),
    cmocka_unit_test(open_sizes),   cmocka_unit_test(too_large),
};

KD_API_MAIN(tests)
