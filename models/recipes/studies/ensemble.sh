# SPDX-License-Identifier: MIT
# title: Ten small files against one dense
# needs: mnist-lenet5-dense mnist-mlp-dense
# Ten networks of at most 3,000 bytes, alike but for the seed, answer together by the mean of their
# probabilities.
for i in 1 2 3 4 5 6 7 8 9 10; do
    tnm squeeze --arch 784-300-100-10 --data "$data" --budget 3000 --effort 0.25 --weak 11 \
        --teacher "$out/mnist-lenet5-dense.tnm" -o "$work/small-$i.tnm" \
        --seed $((100 * seed + i)) --threads $threads --log "$log"
done
tnm eval --brief --ensemble "$work"/small-*.tnm --against "$out/mnist-mlp-dense.tnm" \
    --data "$data" >"$work/print"
