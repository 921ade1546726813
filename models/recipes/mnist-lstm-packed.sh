# SPDX-License-Identifier: MIT
# needs: mnist-lstm-dense
# 12,000 of its weights, 16 values for each matrix, packed.
tnm retrain "$out/mnist-lstm-dense.tnm" --data "$data" -o "$work/pruned.tnm" --to-nonzeros 12000 \
    --prune-epochs 2 --epochs 4 --lr 0.003 --prune-lr 0.002 --weak 3 --strong 3 --batch 128 \
    --seed $seed --threads $threads --log "$log"
tnm share "$work/pruned.tnm" --bits 4 --finetune --epochs 2 --data "$data" \
    -o "$work/mnist-lstm-packed.tnm" --weak 3 --strong 3 --round-codebook 8 --round-bias 8 \
    --seed $seed --threads $threads --log "$log"
tnm pack --small "$work/mnist-lstm-packed.tnm" -o "$out/mnist-lstm-packed.tnm" --log "$log"
