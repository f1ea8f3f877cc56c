"""Fits y = 3x - 1 by gradient descent, with nothing but autograd."""

import torch

torch.manual_seed(0)
x = torch.linspace(-1, 1, 50)
y = 3 * x - 1 + 0.1 * torch.randn(50)

slope = torch.zeros(1, requires_grad=True)
offset = torch.zeros(1, requires_grad=True)
for step in range(100):
    loss = ((slope * x + offset - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        slope -= 0.5 * slope.grad
        offset -= 0.5 * offset.grad
    slope.grad.zero_()
    offset.grad.zero_()
    if step % 25 == 0:
        print(f"step {step:2d}  loss {loss.item():.4f}")
print(slope, offset)
