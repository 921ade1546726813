# SPDX-License-Identifier: MIT
# needs: mnist-lenet5-dense
# At most 4,096 bytes.
tnm squeeze --arch 784-300-100-10 --data "$data" --budget 4096 \
    --teacher "$out/mnist-lenet5-dense.tnm" --remember "$shared/mlp-said" --work "$shared/mlp" \
    -o "$out/mnist-mlp-packed-4k.tnm" --seed $seed --threads $threads --log "$log"
