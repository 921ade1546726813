# SPDX-License-Identifier: MIT
# From mnist-mlp-dense: the smallest weights of each layer go, the others are trained on.
tnm prune models/mnist-mlp-dense.tnm -o "$work/cut.tnm" --std 0.4 --data "$data" --log "$log"
tnm retrain "$work/cut.tnm" --data "$data" -o models/mnist-mlp-pruned.tnm \
    --epochs 60 --lr 0.002 --augment --seed 2 --threads 2 --log "$log"
