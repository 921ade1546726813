# SPDX-License-Identifier: MIT
# needs: mnist-lenet5-dense
# 96 of 100 weights go bit by bit, and the rest have 32 values a layer.
taught="--teacher $out/mnist-lenet5-dense.tnm --remember $shared/said --weak 11 --strong 12"
tnm retrain "$out/mnist-lenet5-dense.tnm" --data "$data" -o "$work/pruned.tnm" \
    --to-nonzeros 16000 --prune-epochs 3 --epochs 6 --lr 0.0015 $taught \
    --seed $seed --threads $threads --log "$log"
tnm share "$work/pruned.tnm" --bits 5 --data "$data" -o "$out/mnist-lenet5-5bit.tnm" \
    --regroup 3 --regroup-lr 0.002 --finetune --epochs 3 --lr 0.003 $taught \
    --seed $seed --threads $threads --log "$log"
