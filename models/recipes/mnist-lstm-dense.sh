# SPDX-License-Identifier: MIT
# An LSTM of 128 cells that reads a picture row by row.
tnm train --arch lstm-128 --data "$data" -o "$out/mnist-lstm-dense.tnm" --epochs 12 --batch 128 \
    --lr 0.003 --augment --seed $seed --threads $threads --log "$log"
