#include <gradus/distributed.h>
#include <gradus/gradus.h>

// Ends well where the ranks add up what they should.
int main() {
  const gradus::distributed::Session session;
  const gradus::Tensor sum = session.all_reduce(gradus::ones({2, 3}));
  return sum.sum().item() == 6 * session.size() ? 0 : 1;
}
