"""PyTorch, eager and compiled, with its fused Adam."""

import os
from itertools import pairwise

import numpy as np

from peers import RATE, initial

os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # starting a pool of compilers takes longer than compiling

import torch


class EagerTorch:
    compiles = False

    def __init__(self, sizes: list[int], dtype: str, n_threads: int) -> None:
        torch.set_num_threads(n_threads)
        torch.manual_seed(0)
        layers: list[torch.nn.Module] = []
        for n_prev, n in pairwise(sizes):
            layers += [torch.nn.Linear(n_prev, n, dtype=getattr(torch, dtype)), torch.nn.ReLU()]
        self.model = torch.nn.Sequential(*layers[:-1])
        with torch.no_grad():
            for layer, W in zip(layers[::2], initial(sizes, dtype), strict=True):
                layer.weight.copy_(torch.from_numpy(W))
                layer.bias.zero_()
        self.optimizer = torch.optim.Adam(self.model.parameters(), fused=True)
        loss = torch.nn.CrossEntropyLoss()
        self.objective = lambda X, y: loss(self.model(X), y)
        self.probabilities = lambda X: torch.softmax(self.model(X), 1)
        if self.compiles:
            self.objective = torch.compile(self.objective)
            self.probabilities = torch.compile(self.probabilities, dynamic=False)  # recompiled for each number of rows

    def train(self, X: np.ndarray, y: np.ndarray, batch: int, epochs: int, rate: float = RATE) -> float:
        self.optimizer.param_groups[0]["lr"] = rate
        data, labels, steps = torch.from_numpy(X), torch.from_numpy(y), len(y) // batch
        for _ in range(epochs):
            order, total = torch.randperm(len(y)), torch.zeros(())
            for k in range(steps):
                rows = order[k * batch : (k + 1) * batch]
                self.optimizer.zero_grad()
                J = self.objective(data[rows], labels[rows])
                J.backward()
                self.optimizer.step()
                total += J.detach()
        return float(total) / steps

    def predict(self, X: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return self.probabilities(torch.from_numpy(X)).numpy()


class CompiledTorch(EagerTorch):
    compiles = True
