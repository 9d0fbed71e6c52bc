/* cuDNN's descriptors as the double keeps them: attributes by name, others' descriptors by value. */
#ifndef KD_TEST_DNN_DOUBLE_H
#define KD_TEST_DNN_DOUBLE_H

#include <cudnn.h>

#include <map>
#include <memory>
#include <vector>

struct dnn_part;
typedef std::shared_ptr<dnn_part> dnn_ref;

struct dnn_attribute {
  cudnnBackendAttributeType_t type;
  int64_t count;
  std::vector<char> bytes;
  std::vector<dnn_ref> parts;
};

struct dnn_part {
  cudnnBackendDescriptorType_t type;
  bool finished;
  std::map<int, dnn_attribute> attribute;

  bool has(int name) const {
    return attribute.count(name) > 0;
  }
  const dnn_attribute &get(int name) const {
    return attribute.at(name);
  }
  dnn_ref part(int name) const {
    return has(name) ? get(name).parts.at(0) : dnn_ref();
  }
  template <typename T> const T *values(int name) const {
    return (const T *)(const void *)get(name).bytes.data();
  }
  template <typename T> T value(int name) const {
    return *values<T>(name);
  }
};

/* Whether all operations of the graph are known and their sizes agree, as far as kdist uses them. */
bool dnn_graph_is_known(const dnn_part &graph);
/* Runs the operations in order on the addresses by uid, values inside in float32. tf32: factors of float32
 * lose bits. */
void dnn_graph_run(const dnn_part &graph, const std::map<int64_t, void *> &address, bool tf32);

#endif
