#include "gradus/ops/shape.h"
#include "parity/table.h"

namespace gradus::parity {
namespace {

using A = Arguments;

Outputs pieces(const A& a, const char* sizes) {
  if (!a.is_list(sizes)) return split(a.tensor("input"), a.integer(sizes), a.integer("dim", 0));
  const Dims list = a.dims(sizes);
  return split(a.tensor("input"), std::vector<int64_t>(list.begin(), list.end()), a.integer("dim", 0));
}

}  // namespace

std::vector<Row> shape_rows() {
  return {
      {"permute", "input, ...dims", [](const A& a) { return Outputs(permute(a.tensor("input"), a.dims("dims"))); }},
      {"transpose", "input, dim0, dim1",
       [](const A& a) { return Outputs(transpose(a.tensor("input"), a.integer("dim0"), a.integer("dim1"))); }},
      {"t", "input", [](const A& a) { return Outputs(t(a.tensor("input"))); }},
      {"reshape", "input, ...shape", [](const A& a) { return Outputs(reshape(a.tensor("input"), a.dims("shape"))); }},
      {"view", "input, ...shape", [](const A& a) { return Outputs(view(a.tensor("input"), a.dims("shape"))); }},
      {"view_as", "input, other", [](const A& a) { return Outputs(view(a.tensor("input"), a.tensor("other").shape())); }},
      {"reshape_as", "input, other", [](const A& a) { return Outputs(reshape(a.tensor("input"), a.tensor("other").shape())); }},
      {"expand", "input, ...size", [](const A& a) { return Outputs(expand(a.tensor("input"), a.dims("size"))); }},
      {"expand_as", "input, other", [](const A& a) { return Outputs(expand(a.tensor("input"), a.tensor("other").shape())); }},
      {"broadcast_to", "input, ...size", [](const A& a) { return Outputs(broadcast_to(a.tensor("input"), a.dims("size"))); }},
      {"squeeze", "input, dim",
       [](const A& a) {
         return a.has("dim") ? Outputs(squeeze(a.tensor("input"), a.integer("dim"))) : Outputs(squeeze(a.tensor("input")));
       }},
      {"unsqueeze", "input, dim", [](const A& a) { return Outputs(unsqueeze(a.tensor("input"), a.integer("dim"))); }},
      {"flatten", "input, start_dim, end_dim",
       [](const A& a) { return Outputs(flatten(a.tensor("input"), a.integer("start_dim", 0), a.integer("end_dim", -1))); }},
      {"unflatten", "input, dim, sizes, names",
       [](const A& a) { return Outputs(unflatten(a.tensor("input"), a.integer("dim"), a.dims("sizes"))); }},
      {"movedim", "input, source, destination",
       [](const A& a) { return Outputs(movedim(a.tensor("input"), a.dims("source"), a.dims("destination"))); }},
      {"unfold", "input, dimension, size, step",
       [](const A& a) { return Outputs(unfold(a.tensor("input"), a.integer("dimension"), a.integer("size"), a.integer("step"))); }},
      {"diagonal", "input, offset, dim1, dim2",
       [](const A& a) { return Outputs(diagonal(a.tensor("input"), a.integer("offset", 0), a.integer("dim1", 0), a.integer("dim2", 1))); }},
      {"slice", "input, dim, start, end, step",
       [](const A& a) {
         return Outputs(
             slice(a.tensor("input"), a.integer("dim", 0), a.optional_integer("start"), a.optional_integer("end"), a.integer("step", 1)));
       }},
      {"select", "input, dim, index", [](const A& a) { return Outputs(select(a.tensor("input"), a.integer("dim"), a.integer("index"))); }},
      {"narrow", "input, dim, start, length",
       [](const A& a) { return Outputs(narrow(a.tensor("input"), a.integer("dim"), a.integer("start"), a.integer("length"))); }},
      {"split", "input, split_size_or_sections, dim", [](const A& a) { return pieces(a, "split_size_or_sections"); }},
      {"split_with_sizes", "input, split_sizes, dim", [](const A& a) { return pieces(a, "split_sizes"); }},
      {"chunk", "input, chunks, dim",
       [](const A& a) { return Outputs(chunk(a.tensor("input"), a.integer("chunks"), a.integer("dim", 0))); }},
      {"unbind", "input, dim", [](const A& a) { return Outputs(unbind(a.tensor("input"), a.integer("dim", 0))); }},
      {"cat", "tensors, dim", [](const A& a) { return Outputs(cat(a.tensors("tensors"), a.integer("dim", 0))); }},
      {"hstack", "tensors", [](const A& a) { return Outputs(hstack(a.tensors("tensors"))); }},
      {"vstack", "tensors", [](const A& a) { return Outputs(vstack(a.tensors("tensors"))); }},
      {"stack", "tensors, dim", [](const A& a) { return Outputs(stack(a.tensors("tensors"), a.integer("dim", 0))); }},
      {"repeat", "input, ...repeats", [](const A& a) { return Outputs(repeat(a.tensor("input"), a.dims("repeats"))); }},
      {"tile", "input, ...dims", [](const A& a) { return Outputs(tile(a.tensor("input"), a.dims("dims"))); }},
      {"flip", "input, ...dims", [](const A& a) { return Outputs(flip(a.tensor("input"), a.dims("dims"))); }},
      {"roll", "input, shifts, dims", [](const A& a) { return Outputs(roll(a.tensor("input"), a.dims("shifts"), a.dims("dims"))); }},
      {"tril", "input, diagonal", [](const A& a) { return Outputs(tril(a.tensor("input"), a.integer("diagonal", 0))); }},
      {"triu", "input, diagonal", [](const A& a) { return Outputs(triu(a.tensor("input"), a.integer("diagonal", 0))); }},
      {"diag", "input, diagonal", [](const A& a) { return Outputs(diag(a.tensor("input"), a.integer("diagonal", 0))); }},
      {"meshgrid", "tensors, *, indexing", [](const A& a) { return Outputs(meshgrid(a.tensors("tensors"), a.text("indexing", "ij"))); }},
      {"as_strided", "input, size, stride, storage_offset",
       [](const A& a) {
         return Outputs(as_strided(a.tensor("input"), a.dims("size"), a.dims("stride"), a.optional_integer("storage_offset")));
       }},
      {"to", "input, dtype", [](const A& a) { return Outputs(to(a.tensor("input"), a.dtype("dtype").value())); }},
      {"clone", "input", [](const A& a) { return Outputs(clone(a.tensor("input"))); }},
      {"contiguous", "input", [](const A& a) { return Outputs(contiguous(a.tensor("input"))); }},
      {"trace", "input", [](const A& a) { return Outputs(trace(a.tensor("input"))); }},
      {"nn.functional.pad", "input, pad, mode, value",
       [](const A& a) {
         return Outputs(pad(a.tensor("input"), a.dims("pad"), a.text("mode", "constant"), a.optional_number("value").value_or(0)));
       }},
  };
}

}  // namespace gradus::parity
