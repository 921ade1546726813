# SPDX-License-Identifier: MIT
# needs: mnist-lenet5-dense
# At most 1,500 bytes.
tnm squeeze --from "$out/mnist-lenet5-dense.tnm" --data "$data" --budget 1500 \
    --teacher "$out/mnist-lenet5-dense.tnm" --remember "$shared/lenet5-said" \
    --work "$shared/lenet5" --effort 0.4 -o "$out/mnist-lenet5-packed-1k5.tnm" \
    --seed $seed --threads $threads --log "$log"
