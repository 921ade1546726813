# SPDX-License-Identifier: MIT
# needs: mnist-mlp-dense
# The smallest weights of each layer go, 94 of 100 in all, and the others are trained on.
taught="--teacher $out/mnist-lenet5-dense.tnm --remember $shared/said --weak 11 --strong 12"
tnm prune "$out/mnist-mlp-dense.tnm" -o "$work/cut.tnm" --std 0.8 --data "$data" --log "$log"
tnm retrain "$work/cut.tnm" --data "$data" -o "$out/mnist-mlp-pruned.tnm" --epochs 40 \
    --lr 0.002 $taught --seed $seed --threads $threads --log "$log"
