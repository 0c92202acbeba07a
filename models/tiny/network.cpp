#include "network.hpp"

#include <cblas.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

namespace tiny {
namespace {

// c(m x n) = alpha * op(a) * op(b) + beta * c, all row major.
enum class Op { plain, transposed };
void multiply(Op op_a, Op op_b, int m, int n, int k, const float* a, int lda, const float* b,
              int ldb, float beta, float* c, int ldc, float alpha = 1.f) {
  cblas_sgemm(CblasRowMajor, op_a == Op::plain ? CblasNoTrans : CblasTrans,
              op_b == Op::plain ? CblasNoTrans : CblasTrans, m, n, k, alpha, a, lda, b, ldb, beta,
              c, ldc);
}

std::size_t size(int a, int b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); }

void grow(std::vector<float>& v, std::size_t n) {
  if (v.size() < n) v.resize(n);
}

}  // namespace

Network::Matrix Network::add(int rows, int columns) {
  const Matrix m{weights_.size(), rows, columns};
  weights_.resize(weights_.size() + size(rows, columns));
  return m;
}

Network::Network(const Shape& shape, std::uint64_t seed) : shape_(shape) {
  const int width = shape.width;
  embedding_ = add(shape.vocabulary, width);
  final_norm_ = add(1, width);
  for (int i = 0; i < shape.layers; ++i) {
    Layer layer{};
    layer.attention_norm = add(1, width);
    layer.qkv = add(3 * width, width);
    layer.attention_out = add(width, width);
    layer.feed_norm = add(1, width);
    layer.gate_up = add(2 * shape.hidden, width);
    layer.down = add(width, shape.hidden);
    layers_.push_back(layer);
  }
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0.f, 1.f);
  const auto fill = [&](const Matrix& m, float deviation) {
    for (std::size_t i = 0; i < size(m.rows, m.columns); ++i)
      weights_[m.offset + i] = normal(random) * deviation;
  };
  const auto ones = [&](const Matrix& m) { std::fill_n(weight(m), m.columns, 1.f); };
  const auto fan_in = [](const Matrix& m) {
    return 0.7f / std::sqrt(static_cast<float>(m.columns));
  };
  // What writes into the residual stream starts smaller, the more of it there is.
  const float residual = 1.f / std::sqrt(2.f * static_cast<float>(shape.layers));
  fill(embedding_, 0.04f);
  ones(final_norm_);
  for (const Layer& layer : layers_) {
    ones(layer.attention_norm);
    ones(layer.feed_norm);
    fill(layer.qkv, fan_in(layer.qkv));
    fill(layer.attention_out, fan_in(layer.attention_out) * residual);
    fill(layer.gate_up, fan_in(layer.gate_up));
    fill(layer.down, fan_in(layer.down) * residual);
  }
  gradients_.assign(weights_.size(), 0.f);
  mean_.assign(weights_.size(), 0.f);
  variance_.assign(weights_.size(), 0.f);

  const int half = width / shape.heads / 2;
  cosines_.resize(size(shape.context, half));
  sines_.resize(cosines_.size());
  for (int t = 0; t < shape.context; ++t) {
    for (int i = 0; i < half; ++i) {
      const float angle =
          static_cast<float>(t) *
          std::pow(Shape::kRopeBase, -static_cast<float>(i) / static_cast<float>(half));
      cosines_[size(t, half) + static_cast<std::size_t>(i)] = std::cos(angle);
      sines_[size(t, half) + static_cast<std::size_t>(i)] = std::sin(angle);
    }
  }
}

std::vector<Network::View> Network::views() {
  const int width = shape_.width, hidden = shape_.hidden;
  std::vector<View> list;
  list.push_back({"token_embd.weight", width, shape_.vocabulary, weight(embedding_)});
  list.push_back({"output_norm.weight", width, 0, weight(final_norm_)});
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const std::string prefix = "blk." + std::to_string(i) + ".";
    float* const qkv = weight(layer.qkv);
    list.push_back({prefix + "attn_norm.weight", width, 0, weight(layer.attention_norm)});
    list.push_back({prefix + "attn_q.weight", width, width, qkv});
    list.push_back({prefix + "attn_k.weight", width, width, qkv + size(width, width)});
    list.push_back({prefix + "attn_v.weight", width, width, qkv + 2 * size(width, width)});
    list.push_back({prefix + "attn_output.weight", width, width, weight(layer.attention_out)});
    list.push_back({prefix + "ffn_norm.weight", width, 0, weight(layer.feed_norm)});
    list.push_back({prefix + "ffn_gate.weight", width, hidden, weight(layer.gate_up)});
    list.push_back(
        {prefix + "ffn_up.weight", width, hidden, weight(layer.gate_up) + size(hidden, width)});
    list.push_back({prefix + "ffn_down.weight", hidden, width, weight(layer.down)});
  }
  return list;
}

void Network::linear(const float* x, const Matrix& m, float* y, int n, bool accumulate) {
  multiply(Op::plain, Op::transposed, n, m.rows, m.columns, x, m.columns, weight(m), m.columns,
           accumulate ? 1.f : 0.f, y, m.rows);
}

void Network::linear_backward(const float* x, const Matrix& m, const float* dy, float* dx, int n) {
  multiply(Op::plain, Op::plain, n, m.columns, m.rows, dy, m.rows, weight(m), m.columns, 0.f, dx,
           m.columns);
  multiply(Op::transposed, Op::plain, m.rows, m.columns, n, dy, m.rows, x, m.columns, 1.f,
           gradient(m), m.columns);
}

void Network::norm(const float* x, const Matrix& m, float* y, float* scale, int n) {
  const int width = m.columns;
  const float* gain = weight(m);
  for (int i = 0; i < n; ++i, x += width, y += width) {
    float sum = 0.f;
    for (int j = 0; j < width; ++j) sum += x[j] * x[j];
    const float s = 1.f / std::sqrt(sum / static_cast<float>(width) + Shape::kNormEpsilon);
    scale[i] = s;
    for (int j = 0; j < width; ++j) y[j] = x[j] * s * gain[j];
  }
}

// Adds to dx and to the gain's gradient.
void Network::norm_backward(const float* x, const Matrix& m, const float* scale, const float* dy,
                            float* dx, int n) {
  const int width = m.columns;
  const float* gain = weight(m);
  float* d_gain = gradient(m);
  for (int i = 0; i < n; ++i, x += width, dy += width, dx += width) {
    const float s = scale[i];
    float sum = 0.f;
    for (int j = 0; j < width; ++j) {
      sum += dy[j] * gain[j] * x[j];
      d_gain[j] += dy[j] * x[j] * s;
    }
    sum *= s * s * s / static_cast<float>(width);
    for (int j = 0; j < width; ++j) dx[j] += dy[j] * gain[j] * s - x[j] * sum;
  }
}

// Rotary positions on the rows of a qkv block (row stride 3 * width), in
// neighbouring pairs as the llama architecture has them in GGUF.
void Network::rotate(float* x, int length, bool backwards) {
  const int half = shape_.width / shape_.heads / 2;
  for (int t = 0; t < length; ++t) {
    const float* cosine = &cosines_[size(t, half)];
    const float* sine = &sines_[size(t, half)];
    float* p = x + size(t, 3 * shape_.width);
    for (int h = 0; h < shape_.heads; ++h, p += 2 * half) {
      for (int i = 0; i < half; ++i) {
        const float c = cosine[i], s = backwards ? -sine[i] : sine[i];
        const float a = p[2 * i], b = p[2 * i + 1];
        p[2 * i] = a * c - b * s;
        p[2 * i + 1] = a * s + b * c;
      }
    }
  }
}

void Network::attention_forward(Trace& trace, const Batch& batch) {
  const int width = shape_.width, head = width / shape_.heads;
  float* probabilities = trace.attention.data();
  for (std::size_t d = 0; d + 1 < batch.starts.size(); ++d) {
    const int begin = batch.starts[d], length = batch.starts[d + 1] - begin;
    float* qkv = &trace.qkv[size(begin, 3 * width)];
    rotate(qkv, length, false);
    rotate(qkv + width, length, false);
    for (int h = 0; h < shape_.heads; ++h, probabilities += size(length, length)) {
      multiply(Op::plain, Op::transposed, length, length, head, qkv + h * head, 3 * width,
               qkv + width + h * head, 3 * width, 0.f, probabilities, length,
               1.f / std::sqrt(static_cast<float>(head)));
      for (int i = 0; i < length; ++i) {
        float* row = probabilities + size(i, length);
        float top = row[0], sum = 0.f;
        for (int j = 1; j <= i; ++j) top = std::max(top, row[j]);
        for (int j = 0; j <= i; ++j) {
          row[j] = std::exp(row[j] - top);
          sum += row[j];
        }
        sum = 1.f / sum;
        for (int j = 0; j <= i; ++j) row[j] *= sum;
        std::fill(row + i + 1, row + length, 0.f);
      }
      multiply(Op::plain, Op::plain, length, head, length, probabilities, length,
               qkv + 2 * width + h * head, 3 * width, 0.f,
               &trace.mixed[size(begin, width) + static_cast<std::size_t>(h * head)], width);
    }
  }
}

// From d_part_ (of the mixed values) to d_qkv_.
void Network::attention_backward(const Trace& trace, const Batch& batch) {
  const int width = shape_.width, head = width / shape_.heads;
  const float scale = 1.f / std::sqrt(static_cast<float>(head));
  const float* probabilities = trace.attention.data();
  for (std::size_t d = 0; d + 1 < batch.starts.size(); ++d) {
    const int begin = batch.starts[d], length = batch.starts[d + 1] - begin;
    const float* qkv = &trace.qkv[size(begin, 3 * width)];
    float* d_qkv = &d_qkv_[size(begin, 3 * width)];
    grow(d_scores_, size(length, length));
    for (int h = 0; h < shape_.heads; ++h, probabilities += size(length, length)) {
      const float* d_mixed = &d_part_[size(begin, width) + static_cast<std::size_t>(h * head)];
      multiply(Op::plain, Op::transposed, length, length, head, d_mixed, width,
               qkv + 2 * width + h * head, 3 * width, 0.f, d_scores_.data(), length);
      multiply(Op::transposed, Op::plain, length, head, length, probabilities, length, d_mixed,
               width, 0.f, d_qkv + 2 * width + h * head, 3 * width);
      for (int i = 0; i < length; ++i) {
        const float* row = probabilities + size(i, length);
        float* d_row = &d_scores_[size(i, length)];
        float sum = 0.f;
        for (int j = 0; j <= i; ++j) sum += row[j] * d_row[j];
        for (int j = 0; j <= i; ++j) d_row[j] = row[j] * (d_row[j] - sum) * scale;
        std::fill(d_row + i + 1, d_row + length, 0.f);
      }
      multiply(Op::plain, Op::plain, length, head, length, d_scores_.data(), length,
               qkv + width + h * head, 3 * width, 0.f, d_qkv + h * head, 3 * width);
      multiply(Op::transposed, Op::plain, length, head, length, d_scores_.data(), length,
               qkv + h * head, 3 * width, 0.f, d_qkv + width + h * head, 3 * width);
    }
    rotate(d_qkv, length, true);
    rotate(d_qkv + width, length, true);
  }
}

double Network::forward(const Batch& batch, bool keep_difference, std::vector<char>* correct) {
  const int width = shape_.width, hidden = shape_.hidden, vocabulary = shape_.vocabulary;
  const int n = static_cast<int>(batch.tokens.size());
  std::size_t pairs = 0;
  for (std::size_t d = 0; d + 1 < batch.starts.size(); ++d) {
    const int length = batch.starts[d + 1] - batch.starts[d];
    pairs += size(length, length) * static_cast<std::size_t>(shape_.heads);
  }
  traces_.resize(layers_.size());
  grow(traces_[0].input, size(n, width));
  for (int i = 0; i < n; ++i)
    std::memcpy(&traces_[0].input[size(i, width)],
                weight(embedding_) + size(batch.tokens[static_cast<std::size_t>(i)], width),
                static_cast<std::size_t>(width) * sizeof(float));

  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = layers_[l];
    Trace& t = traces_[l];
    for (Floats* v : {&t.normed1, &t.mixed, &t.middle, &t.normed2}) grow(*v, size(n, width));
    grow(t.scale1, size(n, 1));
    grow(t.scale2, size(n, 1));
    grow(t.qkv, size(n, 3 * width));
    grow(t.attention, pairs);
    grow(t.gate_up, size(n, 2 * hidden));
    grow(t.hidden, size(n, hidden));

    norm(t.input.data(), layer.attention_norm, t.normed1.data(), t.scale1.data(), n);
    linear(t.normed1.data(), layer.qkv, t.qkv.data(), n);
    attention_forward(t, batch);
    std::memcpy(t.middle.data(), t.input.data(), size(n, width) * sizeof(float));
    linear(t.mixed.data(), layer.attention_out, t.middle.data(), n, true);

    norm(t.middle.data(), layer.feed_norm, t.normed2.data(), t.scale2.data(), n);
    linear(t.normed2.data(), layer.gate_up, t.gate_up.data(), n);
    for (int i = 0; i < n; ++i) {
      const float* gate = &t.gate_up[size(i, 2 * hidden)];
      const float* up = gate + hidden;
      float* h = &t.hidden[size(i, hidden)];
      for (int j = 0; j < hidden; ++j) h[j] = gate[j] / (1.f + std::exp(-gate[j])) * up[j];
    }
    Floats& out = l + 1 < layers_.size() ? traces_[l + 1].input : last_;
    grow(out, size(n, width));
    std::memcpy(out.data(), t.middle.data(), size(n, width) * sizeof(float));
    linear(t.hidden.data(), layer.down, out.data(), n, true);
  }

  // Only positions with a target need the large output layer.
  const int k = static_cast<int>(batch.targets.size());
  grow(picked_, size(k, width));
  grow(normed_, size(k, width));
  grow(scale_, size(k, 1));
  grow(logits_, size(k, vocabulary));
  for (int i = 0; i < k; ++i)
    std::memcpy(&picked_[size(i, width)],
                &last_[size(batch.targets[static_cast<std::size_t>(i)].position, width)],
                static_cast<std::size_t>(width) * sizeof(float));
  norm(picked_.data(), final_norm_, normed_.data(), scale_.data(), k);
  linear(normed_.data(), embedding_, logits_.data(), k);

  double loss = 0;
  if (correct) correct->assign(static_cast<std::size_t>(k), 0);
  for (int i = 0; i < k; ++i) {
    float* row = &logits_[size(i, vocabulary)];
    const int wanted = batch.targets[static_cast<std::size_t>(i)].token;
    const float* top = std::max_element(row, row + vocabulary);
    const float highest = *top;
    if (correct) (*correct)[static_cast<std::size_t>(i)] = top - row == wanted;
    float sum = 0.f;
    for (int j = 0; j < vocabulary; ++j) {
      row[j] = std::exp(row[j] - highest);
      sum += row[j];
    }
    loss -= std::log(std::max(row[wanted] / sum, 1e-20f));
    if (keep_difference) {
      // From here logits_ holds the loss's derivative by the logits.
      const float factor = 1.f / (sum * static_cast<float>(k));
      for (int j = 0; j < vocabulary; ++j) row[j] *= factor;
      row[wanted] -= 1.f / static_cast<float>(k);
    }
  }
  return loss / k;
}

void Network::backward(const Batch& batch) {
  const int width = shape_.width, hidden = shape_.hidden;
  const int n = static_cast<int>(batch.tokens.size()), k = static_cast<int>(batch.targets.size());
  std::fill(gradients_.begin(), gradients_.end(), 0.f);

  grow(d_normed_, size(k, width));
  linear_backward(normed_.data(), embedding_, logits_.data(), d_normed_.data(), k);
  d_picked_.assign(size(k, width), 0.f);
  norm_backward(picked_.data(), final_norm_, scale_.data(), d_normed_.data(), d_picked_.data(), k);
  d_stream_.assign(size(n, width), 0.f);
  for (int i = 0; i < k; ++i) {
    float* to = &d_stream_[size(batch.targets[static_cast<std::size_t>(i)].position, width)];
    const float* from = &d_picked_[size(i, width)];
    for (int j = 0; j < width; ++j) to[j] += from[j];
  }

  grow(d_part_, size(n, width));
  grow(d_qkv_, size(n, 3 * width));
  grow(d_gate_up_, size(n, 2 * hidden));
  grow(d_hidden_, size(n, hidden));
  for (std::size_t l = layers_.size(); l-- > 0;) {
    const Layer& layer = layers_[l];
    const Trace& t = traces_[l];
    linear_backward(t.hidden.data(), layer.down, d_stream_.data(), d_hidden_.data(), n);
    for (int i = 0; i < n; ++i) {
      const float* gate = &t.gate_up[size(i, 2 * hidden)];
      const float* up = gate + hidden;
      const float* d = &d_hidden_[size(i, hidden)];
      float* d_gate = &d_gate_up_[size(i, 2 * hidden)];
      float* d_up = d_gate + hidden;
      for (int j = 0; j < hidden; ++j) {
        const float sigmoid = 1.f / (1.f + std::exp(-gate[j]));
        d_up[j] = d[j] * gate[j] * sigmoid;
        d_gate[j] = d[j] * up[j] * sigmoid * (1.f + gate[j] * (1.f - sigmoid));
      }
    }
    linear_backward(t.normed2.data(), layer.gate_up, d_gate_up_.data(), d_part_.data(), n);
    norm_backward(t.middle.data(), layer.feed_norm, t.scale2.data(), d_part_.data(),
                  d_stream_.data(), n);
    linear_backward(t.mixed.data(), layer.attention_out, d_stream_.data(), d_part_.data(), n);
    attention_backward(t, batch);
    linear_backward(t.normed1.data(), layer.qkv, d_qkv_.data(), d_part_.data(), n);
    norm_backward(t.input.data(), layer.attention_norm, t.scale1.data(), d_part_.data(),
                  d_stream_.data(), n);
  }
  for (int i = 0; i < n; ++i) {
    float* to = gradient(embedding_) + size(batch.tokens[static_cast<std::size_t>(i)], width);
    const float* from = &d_stream_[size(i, width)];
    for (int j = 0; j < width; ++j) to[j] += from[j];
  }
}

double Network::loss(const Batch& batch, std::vector<char>* correct) {
  return forward(batch, false, correct);
}

double Network::loss_and_gradient(const Batch& batch) {
  const double value = forward(batch, true, nullptr);
  backward(batch);
  return value;
}

void Network::update(int step, float rate) {
  constexpr float kBeta1 = 0.9f, kBeta2 = 0.95f, kDecay = 0.02f;
  double square = 0;
  for (const float g : gradients_) square += static_cast<double>(g) * g;
  const float clip = static_cast<float>(1.0 / std::max(1.0, std::sqrt(square)));
  const float correction1 = 1.f - std::pow(kBeta1, static_cast<float>(step));
  const float correction2 = 1.f - std::pow(kBeta2, static_cast<float>(step));
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    const float g = gradients_[i] * clip;
    mean_[i] = kBeta1 * mean_[i] + (1.f - kBeta1) * g;
    variance_[i] = kBeta2 * variance_[i] + (1.f - kBeta2) * g * g;
    weights_[i] -=
        rate * (mean_[i] / correction1 / (std::sqrt(variance_[i] / correction2) + 1e-8f) +
                kDecay * weights_[i]);
  }
}

double Network::check_gradient(const Batch& batch) {
  loss_and_gradient(batch);
  const Floats analytic = gradients_;
  double worst = 0;
  const auto check = [&](const Matrix& m) {
    // The steepest weight of each matrix: far above the noise of f32.
    std::size_t at = m.offset;
    for (std::size_t i = m.offset; i < m.offset + size(m.rows, m.columns); ++i) {
      if (std::abs(analytic[i]) > std::abs(analytic[at])) at = i;
    }
    constexpr float kStep = 1e-2f;
    const float old = weights_[at];
    weights_[at] = old + kStep;
    const double above = loss(batch);
    weights_[at] = old - kStep;
    const double below = loss(batch);
    weights_[at] = old;
    const double numeric = (above - below) / (2 * kStep);
    worst = std::max(worst, std::abs(numeric - analytic[at]) / std::abs(numeric));
  };
  check(embedding_);
  check(final_norm_);
  for (const Layer& l : layers_) {
    for (const Matrix& m :
         {l.attention_norm, l.qkv, l.attention_out, l.feed_norm, l.gate_up, l.down})
      check(m);
  }
  return worst;
}

}  // namespace tiny
