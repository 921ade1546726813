# SPDX-License-Identifier: MIT
# needs: mnist-mlp-dense
# 94 of 100 weights go bit by bit, and the others are trained on.
tnm retrain "$out/mnist-mlp-dense.tnm" --data "$data" -o "$out/mnist-mlp-pruned.tnm" \
    --to-nonzeros 15972 --prune-epochs 10 --epochs 14 --lr 0.0015 --weak 11 --strong 12 \
    --teacher "$out/mnist-lenet5-dense.tnm" --remember "$shared/mlp-said" \
    --seed $seed --threads $threads --log "$log"
