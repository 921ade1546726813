#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Time of one training epoch of 784-300-100-10 at batch 128: this forge against PyTorch.

    apt-get install --no-install-recommends python3-torch python3-numpy
    models/compare_torch.py build/tnm models/mnist [THREADS [ROUNDS]]

The two take turns, so that other work on the machine falls on both; the least of all epochs counts.
On a busy machine set OMP_WAIT_POLICY=passive: PyTorch's threads spin while they wait for each other.
Both do the same work: 55,000 images in a fresh random order, cross-entropy, Adam.
"""
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy
import torch


def read_idx(path, offset):
    with gzip.open(path) as f:
        return numpy.frombuffer(f.read(), dtype=numpy.uint8, offset=offset)


def torch_data(folder):
    x = read_idx(os.path.join(folder, "train-images-idx3-ubyte.gz"), 16).reshape(-1, 784)
    y = read_idx(os.path.join(folder, "train-labels-idx1-ubyte.gz"), 8)
    x = torch.from_numpy(x[:55000].astype(numpy.float32) / 255)
    return x, torch.from_numpy(y[:55000].astype(numpy.int64))


def torch_epochs(x, y, epochs):
    model = torch.nn.Sequential(
        torch.nn.Linear(784, 300), torch.nn.ReLU(), torch.nn.Linear(300, 100), torch.nn.ReLU(),
        torch.nn.Linear(100, 10))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    times = []
    for _ in range(epochs):
        start = time.monotonic()
        order = torch.randperm(len(x))
        for i in range(0, len(x), 128):
            batch = order[i:i + 128]
            optimiser.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimiser.step()
        times.append(time.monotonic() - start)
    return times


def forge_epochs(tnm, folder, threads, epochs):
    with tempfile.TemporaryDirectory() as d:
        run = subprocess.run(
            [tnm, "train", "--arch", "784-300-100-10", "--data", folder, "--batch", "128",
             "--epochs", str(epochs), "--threads", str(threads), "--json",
             "-o", os.path.join(d, "m.tnm")], check=True, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
    return [e["seconds"] for e in json.loads(run.stdout)["epochs"]]


def main():
    tnm, folder = sys.argv[1:3]
    threads, rounds = [int(a) for a in (sys.argv[3:] + ["2", "5"][len(sys.argv) - 3:])]
    torch.set_num_threads(threads)
    x, y = torch_data(folder)
    ours, theirs = [], []
    for _ in range(rounds):
        theirs += torch_epochs(x, y, 3)
        ours += forge_epochs(tnm, folder, threads, 3)
    print(f"seconds an epoch, {threads} threads, least of {len(ours)}: PyTorch {torch.__version__} "
          f"{min(theirs):.3f}, tnm {min(ours):.3f}, ratio {min(ours) / min(theirs):.2f}")


main()
