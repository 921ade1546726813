# SPDX-License-Identifier: MIT
# needs: mnist-mlp-dense
# At most 4,096 bytes.
tnm squeeze --from "$out/mnist-mlp-dense.tnm" --data "$data" --budget 4096 \
    --teacher "$out/mnist-lenet5-dense.tnm" --remember "$shared/said" --work "$shared/mlp" \
    -o "$out/mnist-mlp-packed-4k.tnm" --seed $seed --threads $threads --log "$log"
