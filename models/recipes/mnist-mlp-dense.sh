# SPDX-License-Identifier: MIT
# needs: mnist-lenet5-dense
# The fully connected network to start from, 784-300-100-10, taught by the convolutional one.
tnm train --arch 784-300-100-10 --data "$data" -o "$out/mnist-mlp-dense.tnm" --epochs 60 \
    --weak 11 --strong 12 --teacher "$out/mnist-lenet5-dense.tnm" --remember "$shared/mlp-said" \
    --seed $seed --threads $threads --log "$log"
