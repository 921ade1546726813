# SPDX-License-Identifier: MIT
# needs: fashion-mlp-dense
# At most 16,000 bytes.
tnm squeeze --from "$out/fashion-mlp-dense.tnm" --data "$fashion" --budget 16000 \
    -o "$out/fashion-mlp-packed.tnm" --work "$shared/fashion" --weak 0 \
    --seed $seed --threads $threads --log "$log"
