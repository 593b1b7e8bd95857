# The script of docs/tutorials/15_from_pytorch.md in PyTorch; 15_whole_script.cpp is the same in gradus, and prints the same.


def region(name):  # as region.h
    print(f"\x1e{name}", flush=True)


# [start:script]
import torch
from torch import nn
from torch.nn import functional as F


class Encoder(nn.Module):
    def __init__(self, vocab, embed, hidden, classes):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.GRU(embed, hidden, num_layers=2, dropout=0.1)
        self.head = nn.Linear(hidden, classes)

    def forward(self, tokens):                              # (B, T) int64
        embedded = self.embedding(tokens).permute(1, 0, 2)  # (T, B, E)
        output, state = self.rnn(embedded)                  # (T, B, H), (2, B, H)
        return self.head(state[-1])                         # (B, C)


torch.manual_seed(0)
tokens = torch.randint(2, (512, 7))  # (N, T)
labels = (tokens.sum(1) > 3).long()  # (N)
model = Encoder(2, 8, 32, 2)
adam = torch.optim.Adam(model.parameters(), lr=5e-3)
schedule = torch.optim.lr_scheduler.StepLR(adam, 4, 0.5)
region("script")
for epoch in range(1, 13):
    for rows in torch.randperm(512).split(64):  # (B)
        loss = F.cross_entropy(model(tokens[rows]), labels[rows])
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
    schedule.step()
    if epoch % 3 == 0:
        print(f"epoch {epoch}: loss {loss.item():.4f}")
model.eval()
with torch.no_grad():
    right = (model(tokens).argmax(1) == labels).sum()
    print(f"{right.item()} of 512 are right")
# [end:script]
