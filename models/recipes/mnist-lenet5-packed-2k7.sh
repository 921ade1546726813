# SPDX-License-Identifier: MIT
# needs: mnist-lenet5-dense
# At most 2,700 bytes, taught by what it starts from.
tnm squeeze --from "$out/mnist-lenet5-dense.tnm" --data "$data" --budget 2700 \
    --teacher "$out/mnist-lenet5-dense.tnm" --remember "$shared/said" --work "$shared/lenet5" \
    -o "$out/mnist-lenet5-packed-2k7.tnm" --seed $seed --threads $threads --log "$log"
