# SPDX-License-Identifier: MIT
# What each threshold removes from the published dense network, which was trained with a penalty.
for s in 0.1 0.25 0.4 0.5 0.75 1 1.5 2; do
    tnm prune models/mnist-mlp-dense.tnm -o "$work/s-$s.tnm" --std $s --data "$data" --log "$log"
done
