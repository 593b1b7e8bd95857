#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "gradus/nn/any_module.h"

/// Containers of modules, which belong to the module that they are registered with: state_dict has "layers.0.weight",
/// "choices.conv.weight". They hold modules of one type, so that elements can be called as what they are, `ModuleList<GRU>`; `ModuleList<>`
/// holds any that take one tensor and give one. As with all modules, a copy is the same container.
namespace gradus::nn {

namespace detail {
/// index counted from the front. Throws IndexError outside [-size, size), or, with `end`, [-size, size].
GRADUS_API size_t place_in_list(int64_t index, size_t size, bool end = false);
[[noreturn]] GRADUS_API void throw_no_such_key(const std::string& key, const std::vector<std::string>& keys);
}  // namespace detail

/// Modules in a row, named "0", "1", ….
template <std::derived_from<Module> M = AnyModule>
class GRADUS_API ModuleList : public Module {
 public:
  using const_iterator = typename std::vector<M>::const_iterator;

  ModuleList() : Module("ModuleList") { modules(); }
  ModuleList(std::initializer_list<M> modules) : ModuleList() { become(modules); }
  explicit ModuleList(const std::vector<M>& modules) : ModuleList() { become(modules); }

  /// Element `index`, a negative one counted from the end. Throws IndexError out of range, as do the functions below.
  const M& operator[](int64_t index) const { return modules()[detail::place_in_list(index, size())]; }
  size_t size() const { return modules().size(); }
  bool empty() const { return modules().empty(); }
  const_iterator begin() const { return modules().begin(); }
  const_iterator end() const { return modules().end(); }

  /// Adds a module at the end.
  ModuleList& append(const M& module) { return insert(static_cast<int64_t>(size()), module); }
  /// Adds several at the end.
  ModuleList& extend(const std::vector<M>& more) {
    std::vector<M> all = modules();
    all.insert(all.end(), more.begin(), more.end());
    return become(std::move(all));
  }
  /// Adds a module before element `index`; those behind it move up.
  ModuleList& insert(int64_t index, const M& module) {
    std::vector<M> all = modules();
    all.insert(all.begin() + static_cast<std::ptrdiff_t>(detail::place_in_list(index, all.size(), true)), module);
    return become(std::move(all));
  }
  /// Puts a module in the place of element `index`.
  ModuleList& set(int64_t index, const M& module) {
    std::vector<M> all = modules();
    const size_t place = detail::place_in_list(index, all.size());
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(place));
    all.insert(all.begin() + static_cast<std::ptrdiff_t>(place), module);
    return become(std::move(all));
  }
  /// Takes element `index` out and gives it back; those behind it move down.
  M pop(int64_t index = -1) {
    std::vector<M> all = modules();
    const auto at = all.begin() + static_cast<std::ptrdiff_t>(detail::place_in_list(index, all.size()));
    M taken = *at;
    all.erase(at);
    become(std::move(all));
    return taken;
  }

 private:
  std::vector<M>& modules() const { return contents<std::vector<M>>(); }
  ModuleList& become(std::vector<M> next) {
    std::vector<std::pair<std::string, Module>> children;
    for (const M& module : next) children.emplace_back(std::to_string(children.size()), named(module));
    set_children(std::move(children));
    modules() = std::move(next);
    return *this;
  }
};

/// Modules by name, in the order in which they were added.
template <std::derived_from<Module> M = AnyModule>
class GRADUS_API ModuleDict : public Module {
 public:
  using Item = std::pair<std::string, M>;
  using const_iterator = typename std::vector<Item>::const_iterator;

  ModuleDict() : Module("ModuleDict") { entries(); }
  ModuleDict(std::initializer_list<Item> modules) : ModuleDict() { update(modules); }
  explicit ModuleDict(const std::vector<Item>& modules) : ModuleDict() { update(modules); }

  /// The module under `key`. Throws IndexError that lists the keys when there is none, as does pop.
  const M& operator[](const std::string& key) const { return entries()[place(key)].second; }
  /// Whether there is a module under `key`.
  bool contains(const std::string& key) const { return find(key) < size(); }
  size_t size() const { return entries().size(); }
  bool empty() const { return entries().empty(); }
  /// Over keys with their modules, where PyTorch's dictionary gives keys.
  const_iterator begin() const { return entries().begin(); }
  const_iterator end() const { return entries().end(); }
  std::vector<std::string> keys() const {
    std::vector<std::string> found;
    for (const Item& item : entries()) found.push_back(item.first);
    return found;
  }
  std::vector<M> values() const {
    std::vector<M> found;
    for (const Item& item : entries()) found.push_back(item.second);
    return found;
  }
  std::vector<Item> items() const { return entries(); }

  /// Adds a module under `key`, or puts it in the place of the one there. Throws ValueError for a key that is empty or has a dot.
  ModuleDict& set(const std::string& key, const M& module) { return update(std::vector<Item>{{key, module}}); }
  /// set for each in turn.
  ModuleDict& update(const std::vector<Item>& modules) {
    std::vector<Item> all;
    const auto among = [&](const std::string& key) { return find_in(modules, key, true); };
    for (const Item& item : entries()) {
      const size_t at = among(item.first);
      all.push_back(at < modules.size() ? modules[at] : item);
    }
    for (const Item& item : modules)
      if (find_in(all, item.first) == all.size()) all.push_back(modules[among(item.first)]);
    return become(std::move(all));
  }
  /// Takes the module under `key` out and gives it back.
  M pop(const std::string& key) {
    std::vector<Item> all = entries();
    const auto at = all.begin() + static_cast<std::ptrdiff_t>(place(key));
    M taken = at->second;
    all.erase(at);
    become(std::move(all));
    return taken;
  }
  void clear() { become({}); }

 private:
  std::vector<Item>& entries() const { return contents<std::vector<Item>>(); }
  /// Its place among items, the last if `last`; their number when there is none.
  static size_t find_in(const std::vector<Item>& items, const std::string& key, bool last = false) {
    size_t found = items.size();
    for (size_t i = 0; i < items.size() && (last || found == items.size()); ++i)
      if (items[i].first == key) found = i;
    return found;
  }
  size_t find(const std::string& key) const { return find_in(entries(), key); }
  size_t place(const std::string& key) const {
    const size_t found = find(key);
    if (found == size()) detail::throw_no_such_key(key, keys());
    return found;
  }
  ModuleDict& become(std::vector<Item> next) {
    std::vector<std::pair<std::string, Module>> children;
    for (const Item& item : next) children.emplace_back(item.first, named(item.second));
    set_children(std::move(children));
    entries() = std::move(next);
    return *this;
  }
};

}  // namespace gradus::nn
