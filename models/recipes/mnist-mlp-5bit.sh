# SPDX-License-Identifier: MIT
# needs: mnist-mlp-pruned
# At most 32 different weights in each layer. They find their groups, then the groups learn.
taught="--teacher $out/mnist-lenet5-dense.tnm --remember $shared/said --weak 11 --strong 12"
tnm share "$out/mnist-mlp-pruned.tnm" --bits 5 --data "$data" -o "$out/mnist-mlp-5bit.tnm" \
    --regroup 10 --finetune --epochs 10 --lr 0.003 $taught \
    --seed $seed --threads $threads --log "$log"
