# SPDX-License-Identifier: MIT
# needs: mnist-mlp-pruned
# At most 8 different weights in each layer, tuned.
tnm share "$out/mnist-mlp-pruned.tnm" --bits 3 --finetune --epochs 3 --data "$data" \
    -o "$out/mnist-mlp-3bit.tnm" --weak 11 --teacher "$out/mnist-lenet5-dense.tnm" \
    --seed $seed --threads $threads --log "$log"
