# SPDX-License-Identifier: MIT
# title: The same three steps after training with a penalty
# A penalty of the absolute weights leaves most of them near 0: few standard deviations are then
# enough to remove 94 %, and removing them costs little. Retraining goes on without the penalty.
tnm train --arch 784-300-100-10 --data "$data" -o "$work/dense.tnm" \
    --epochs 40 --augment --l1 5e-5 --seed $seed --threads $threads --log "$log"
tnm prune "$work/dense.tnm" -o "$work/cut.tnm" --std 0.4 --data "$data" --log "$log"
tnm retrain "$work/cut.tnm" --data "$data" -o "$work/pruned.tnm" \
    --epochs 60 --lr 0.002 --augment --seed $((seed + 1)) --threads $threads --log "$log"
tnm share "$work/pruned.tnm" --bits 5 -o "$work/shared.tnm" --data "$data" --log "$log"
