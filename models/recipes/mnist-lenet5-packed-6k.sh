# SPDX-License-Identifier: MIT
# needs: mnist-lenet5-dense
# At most 6,000 bytes, taught by what it starts from.
tnm squeeze --from "$out/mnist-lenet5-dense.tnm" --data "$data" --budget 6000 \
    --teacher "$out/mnist-lenet5-dense.tnm" --remember "$shared/said" --work "$shared/lenet5" \
    -o "$out/mnist-lenet5-packed-6k.tnm" --seed $seed --threads $threads --log "$log"
