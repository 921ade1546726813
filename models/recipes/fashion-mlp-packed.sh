# SPDX-License-Identifier: MIT
# needs: fashion-mlp-dense
# At most 16,000 bytes, taught by the network that it starts from: what is left of it learns the
# training images by heart otherwise.
tnm squeeze --from "$out/fashion-mlp-dense.tnm" --data "$fashion" --budget 16000 \
    --teacher "$out/fashion-mlp-dense.tnm" --remember "$shared/fashion-said" \
    --weak 9 --mirror --reach 0.5 --work "$shared/fashion" -o "$out/fashion-mlp-packed.tnm" \
    --seed $seed --threads $threads --log "$log"
