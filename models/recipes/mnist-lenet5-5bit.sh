# SPDX-License-Identifier: MIT
# needs: mnist-lenet5-dense
# 96 of 100 weights go, and the rest have 32 values a layer.
dense=$out/mnist-lenet5-dense.tnm
taught="--teacher $dense --remember $shared/lenet5-said --weak 11 --strong 12"
tnm retrain "$dense" --data "$data" -o "$work/pruned.tnm" --to-nonzeros 16000 --prune-epochs 3 \
    --epochs 4 --lr 0.0015 $taught --seed $seed --threads $threads --log "$log"
tnm share "$work/pruned.tnm" --bits 5 --finetune --epochs 2 --data "$data" \
    -o "$out/mnist-lenet5-5bit.tnm" $taught --seed $seed --threads $threads --log "$log"
