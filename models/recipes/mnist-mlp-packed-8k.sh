# SPDX-License-Identifier: MIT
# needs: mnist-lenet5-dense
# At most 8,000 bytes.
tnm squeeze --arch 784-300-100-10 --data "$data" --budget 8000 \
    --teacher "$out/mnist-lenet5-dense.tnm" --remember "$shared/mlp-said" --work "$shared/mlp" \
    -o "$out/mnist-mlp-packed-8k.tnm" --seed $seed --threads $threads --log "$log"
