#pragma once

namespace recipe {

/// `translate --model …`: training and use of the models of encoder_decoder.h, in batches by length, by words or byte pairs, with beam
/// search. Gives the exit status; throws what goes wrong.
int run_translation(int argc, char** argv);

/// Whether the command line asks for it, by --model or by a --load whose file has such a model.
bool asks_for_translation(int argc, char** argv);

}  // namespace recipe
