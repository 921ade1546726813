# SPDX-License-Identifier: MIT
# The network to start from. The L1 penalty keeps weights that do nothing near 0, where pruning
# finds them; what it costs in accuracy here comes back when the rest is retrained without it.
tnm train --arch 784-300-100-10 --data "$data" -o models/mnist-mlp-dense.tnm \
    --epochs 40 --augment --l1 5e-5 --seed 1 --threads 2 --log "$log"
