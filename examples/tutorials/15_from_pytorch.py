# The Python side of docs/tutorials/15_from_pytorch.md: each region prints what the same region of 15_from_pytorch.cpp prints.


def region(name):  # as region.h
    print(f"\x1e{name}", flush=True)


# [start:includes]
import torch
from torch import nn, optim
from torch.nn import functional as F
# [end:includes]

region("tensors")
# [start:tensors]
x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])  # (2, 3) float32
i = torch.arange(6).reshape(2, 3)                     # (2, 3) int64
print(x + i)                                          # float32
print((x > 2).sum(1))                                 # int64
print(x @ x.t())                                      # (2, 2)
print(x.mean().item())
# [end:tensors]

region("indexing")
# [start:indexing]
print(x[0], x[-1, 2])
print(x[:, 1], x[..., ::2])
print(list(x[:, None].shape))
print(x[x > 4])
print(x[torch.tensor([1, 0])])
x[0] = 0
x[:, 1:] += 10
print(x)
# [end:indexing]

region("broadcasting")
# [start:broadcasting]
rows = torch.arange(3).unsqueeze(1)  # (3, 1)
columns = torch.arange(4)            # (4)
print(10 * rows + columns)           # (3, 4)
# [end:broadcasting]

region("autograd")
# [start:autograd]
w = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)  # (3)
loss = (w * w).sum()
loss.backward()
print(loss, w.grad)
with torch.no_grad():
    w -= 0.1 * w.grad
w.grad = None
slope, = torch.autograd.grad((w ** 3).sum(), [w], create_graph=True)
print(torch.autograd.grad(slope.sum(), [w])[0])  # 6 w
# [end:autograd]

# [start:function]
class Clipped(torch.autograd.Function):  # the identity, whose gradient is at most 1
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, dy):
        return dy.clamp(-1, 1)
# [end:function]

region("function")
# [start:run_function]
v = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)  # (3)
(Clipped.apply(v) * torch.tensor([0.5, 5.0, -5.0])).sum().backward()
print(v.grad)
# [end:run_function]

# [start:module]
class Net(nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        self.first = nn.Linear(inputs, hidden)
        self.scale = nn.Parameter(torch.ones(hidden))
        self.dropout = nn.Dropout(0.5)
        self.last = nn.Linear(hidden, 1)

    def forward(self, x):                           # (B, inputs)
        h = torch.tanh(self.first(x)) * self.scale  # (B, hidden)
        return self.last(self.dropout(h))           # (B, 1)
# [end:module]

region("module")
# [start:run_module]
torch.manual_seed(0)
net = Net(2, 3)
for name, p in net.named_parameters():
    print(name, p.numel())
print(net.first.weight.detach())
print(net)
# [end:run_module]

region("modes")
# [start:modes]
ones = torch.ones(2, 2)  # (2, 2)
net.train()              # dropout on
print(net(ones).detach().squeeze(1))
net.eval()               # dropout off
with torch.no_grad():
    print(net(ones).squeeze(1))
# [end:modes]

region("seeds")
# [start:seeds]
torch.manual_seed(7)
print(torch.rand(3))
print(torch.randn(2, 2))
print(torch.randperm(6), torch.randint(10, (4,)))
print(F.dropout(torch.ones(6), 0.5))
# [end:seeds]

region("optimizer")
# [start:optimizer]
biases = [p for name, p in net.named_parameters() if name.endswith("bias")]
others = [p for name, p in net.named_parameters() if not name.endswith("bias")]
adamw = optim.AdamW([{"params": others}, {"params": biases, "weight_decay": 0.0}], lr=0.1, weight_decay=0.01)
warm_up = optim.lr_scheduler.LambdaLR(adamw, lambda epoch: min(1.0, (epoch + 1) / 4))
for epoch in range(5):
    adamw.zero_grad()
    F.mse_loss(net(ones), torch.zeros(2, 1)).backward()
    norm = nn.utils.clip_grad_norm_(net.parameters(), 0.5)
    adamw.step()
    print(f"lr {adamw.param_groups[0]['lr']:.3f}, norm {norm:.3f}")
    warm_up.step()
# [end:optimizer]

region("data")
# [start:data]
features = torch.arange(10.0).reshape(5, 2)  # (N 5, 2)
targets = torch.arange(5)                    # (N 5)
dataset = torch.utils.data.TensorDataset(features, targets)
loader = torch.utils.data.DataLoader(dataset, batch_size=2)
for batch_x, batch_y in loader:              # (B, 2), (B)
    print(list(batch_x.shape), batch_y)
# [end:data]

region("lengths")
# [start:lengths]
torch.manual_seed(0)
gru = nn.GRU(2, 3)
padded = torch.randn(4, 2, 2)   # (T, B, E)
lengths = torch.tensor([4, 2])  # (B)
packed = nn.utils.rnn.pack_padded_sequence(padded, lengths)
output, h_n = gru(packed)
output, _ = nn.utils.rnn.pad_packed_sequence(output)  # (T, B, H)
print(output[:, 1].detach())                          # 0 past the length
print(h_n.detach())                                   # (1, B, H), each at its sequence's end
# [end:lengths]

# [start:answer_1]
def masked_mean(x, lengths):                                # (B, T, E), (B)
    mask = torch.arange(x.shape[1]) < lengths[:, None]      # (B, T)
    return (x * mask[..., None]).sum(1) / lengths[:, None]  # (B, E)
# [end:answer_1]

region("answer_1")
# [start:run_1]
print(masked_mean(torch.arange(12.0).reshape(2, 3, 2), torch.tensor([3, 1])))
# [end:run_1]

region("answer_2")
# [start:run_2]
torch.manual_seed(0)
one = nn.Linear(2, 1)
sgd = optim.SGD(one.parameters(), lr=0.1, momentum=0.5)
halving = optim.lr_scheduler.StepLR(sgd, step_size=2, gamma=0.5)
for step in range(6):
    fit = F.mse_loss(one(ones), torch.full((2, 1), 3.0))
    sgd.zero_grad()
    fit.backward()
    sgd.step()
    halving.step()
    print(f"{fit.item():.4f} {halving.get_last_lr()[0]:.4f}")
# [end:run_2]

region("nothing_counts")
# [start:nothing_counts]
scores = torch.zeros(2, 5, requires_grad=True)  # (N 2, C 5)
empty = F.cross_entropy(scores, torch.tensor([1, 1]), ignore_index=1)
empty.backward()
print(empty.item(), scores.grad.sum().item())
# [end:nothing_counts]
