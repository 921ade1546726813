# SPDX-License-Identifier: MIT
# needs: fashion-mlp-dense
# At most 16,000 bytes.
tnm squeeze --from "$out/fashion-mlp-dense.tnm" --data "$fashion" --budget 16000 \
    --weak 9 --mirror --reach 0.4 --work "$shared/fashion" -o "$out/fashion-mlp-packed.tnm" \
    --seed $seed --threads $threads --log "$log"
