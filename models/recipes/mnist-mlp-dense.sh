# SPDX-License-Identifier: MIT
# needs: mnist-lenet5-dense
# The fully connected network to start from, 784-300-100-10, taught by the convolutional one. The
# penalty keeps weights that do little near 0, where pruning finds them.
taught="--teacher $out/mnist-lenet5-dense.tnm --remember $shared/said --weak 11 --strong 12"
tnm train --arch 784-300-100-10 --data "$data" -o "$out/mnist-mlp-dense.tnm" --epochs 60 \
    --l1 5e-5 $taught --seed $seed --threads $threads --log "$log"
