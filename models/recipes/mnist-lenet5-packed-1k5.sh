# SPDX-License-Identifier: MIT
# needs: mnist-lenet5-dense
# At most 1,500 bytes, taught by what it starts from.
tnm squeeze --from "$out/mnist-lenet5-dense.tnm" --data "$data" --budget 1500 \
    --teacher "$out/mnist-lenet5-dense.tnm" --remember "$shared/said" --work "$shared/lenet5" \
    -o "$out/mnist-lenet5-packed-1k5.tnm" --seed $seed --threads $threads --log "$log"
