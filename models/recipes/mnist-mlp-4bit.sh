# SPDX-License-Identifier: MIT
# needs: mnist-mlp-pruned
# At most 16 different weights in each layer, tuned.
tnm share "$out/mnist-mlp-pruned.tnm" --bits 4 --finetune --epochs 3 --data "$data" \
    -o "$out/mnist-mlp-4bit.tnm" --weak 11 --teacher "$out/mnist-lenet5-dense.tnm" \
    --seed $seed --threads $threads --log "$log"
