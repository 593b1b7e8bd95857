#pragma once

#include "in_turn.h"

namespace bench {

using Results = std::vector<Result>;

/// Forward and backward of recurrent layers alone.
Results recurrent_rows(Workers& workers, const Effort& effort);
/// The whole training step, and (rows 3) its share of the machine's peak.
Results step_rows(Workers& workers, const Effort& effort, bool times, bool shares);
/// The cost of one recorded operation on one element.
Results overhead_rows(Workers& workers, const Effort& effort);
/// One operation a row.
Results op_rows(Workers& workers, const Effort& effort);
/// What using the library costs besides its speed: compiling, starting, memory, size.
Results use_rows(const Effort& effort);
/// Precision medium against highest, and against oneDNN's bfloat16; nothing where the machine has no products of bfloat16.
Results precision_rows(Workers& workers, const Effort& effort);
/// Steps of decoding, without gradient.
Results inference_rows(Workers& workers, const Effort& effort);
/// A Transformer's training step: against LibTorch, as a share of the sgemm peak, and at precision medium.
Results transformer_rows(Workers& workers, const Effort& effort);
/// Time and memory a token against steps, batch and vocabulary.
Results growth_rows(const Effort& effort);

/// Today's Python packages, those that this interpreter has: PyTorch, as it is and compiled, and ONNX Runtime.
Results python_rows(Workers& workers, const std::string& python, const Effort& effort);

}  // namespace bench
