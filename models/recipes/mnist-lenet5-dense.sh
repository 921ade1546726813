# SPDX-License-Identifier: MIT
# The convolutional network of the literature, 20-50-500-10. It is also what the fully connected ones
# learn from.
tnm train --arch lenet5 --data "$data" -o "$out/mnist-lenet5-dense.tnm" \
    --epochs 18 --batch 64 --lr 0.0015 --weak 6 --strong 6 \
    --seed $seed --threads $threads --log "$log"
