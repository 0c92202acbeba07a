#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tiny {

// The llama architecture: RMSNorm before attention and before a gated SiLU feed
// forward, rotary positions, no biases, input and output embedding shared.
struct Shape {
  int width = 128;
  int layers = 4;
  int heads = 4;
  int hidden = 384;
  int vocabulary = 512;
  int context = 512;

  static constexpr float kNormEpsilon = 1e-5f;
  static constexpr float kRopeBase = 10000.f;
};

// Dialogues one after another, without padding: dialogue i is
// tokens[starts[i]] .. tokens[starts[i + 1]] and sees nothing of the others.
struct Batch {
  struct Target {
    int position;  // in tokens: the network predicts from here ...
    int token;     // ... this one
    int piece;     // caller's number, for the evaluation
  };
  std::vector<int> tokens;
  std::vector<int> starts{0};
  std::vector<Target> targets;
};

// A small network with its gradient and Adam state, on one core, in f32.
// Not thread safe. Everything is deterministic: the same seed, batches, binary
// and BLAS with one thread give the same weights to the last bit.
class Network {
 public:
  // A weight as a file knows it; rows == 0 marks a vector.
  struct View {
    std::string name;
    int columns;
    int rows;
    float* data;
  };

  Network(const Shape& shape, std::uint64_t seed);

  const Shape& shape() const { return shape_; }
  std::size_t parameters() const { return weights_.size(); }
  // In the order of the file.
  std::vector<View> views();

  // Mean loss over the targets. With `correct`, also whether the most likely
  // token was the right one, by target.
  double loss(const Batch& batch, std::vector<char>* correct = nullptr);
  // The same, and computes the gradient.
  double loss_and_gradient(const Batch& batch);
  // One AdamW step (steps count from 1) with the gradient clipped to norm 1.
  void update(int step, float rate);

  // Compares the gradient with finite differences; the largest relative error.
  double check_gradient(const Batch& batch);

 private:
  using Floats = std::vector<float>;
  struct Matrix {
    std::size_t offset;
    int rows, columns;
  };
  struct Layer {
    Matrix attention_norm, qkv, attention_out, feed_norm, gate_up, down;
  };
  // What a layer's forward pass leaves for its backward pass.
  struct Trace {
    Floats input, normed1, scale1, qkv, attention, mixed, middle, normed2, scale2, gate_up, hidden;
  };

  Matrix add(int rows, int columns);
  float* weight(const Matrix& m) { return &weights_[m.offset]; }
  float* gradient(const Matrix& m) { return &gradients_[m.offset]; }

  double forward(const Batch& batch, bool keep_difference, std::vector<char>* correct);
  void backward(const Batch& batch);
  void attention_forward(Trace& trace, const Batch& batch);
  void attention_backward(const Trace& trace, const Batch& batch);
  void linear(const float* x, const Matrix& m, float* y, int n, bool accumulate = false);
  void linear_backward(const float* x, const Matrix& m, const float* dy, float* dx, int n);
  void norm(const float* x, const Matrix& m, float* y, float* scale, int n);
  void norm_backward(const float* x, const Matrix& m, const float* scale, const float* dy,
                     float* dx, int n);
  void rotate(float* x, int length, bool backwards);

  Shape shape_;
  std::vector<Layer> layers_;
  Matrix embedding_, final_norm_;
  Floats weights_, gradients_, mean_, variance_;
  Floats cosines_, sines_;
  std::vector<Trace> traces_;
  // Scratch, kept between steps to spare the allocations.
  Floats last_, picked_, normed_, scale_, logits_;
  Floats d_normed_, d_picked_, d_stream_, d_part_, d_qkv_, d_gate_up_, d_hidden_, d_scores_;
};

}  // namespace tiny
