# SPDX-License-Identifier: MIT
# title: The classic recipe, step by step
# As the article tells it: 784-300-100-10, Adam at 0.001 with weight decay 1e-4, no augmentation;
# thresholds of s standard deviations of each layer (the population's, over all its entries);
# retrained for as long as trained; k-means with a linear start. s = 0.25 is what the article says,
# the other one removes the share that it reports.
tnm train --arch 784-300-100-10 --data "$data" -o "$work/dense.tnm" --epochs 16 --batch 64 \
    --lr 0.001 --l2 1e-4 --schedule constant --seed $seed --threads $threads --log "$log"
tnm prune "$work/dense.tnm" -o "$work/pruned-0.25.tnm" --std 0.25 --data "$data" --log "$log"
tnm prune "$work/dense.tnm" -o "$work/pruned.tnm" --std 2.11 --data "$data" --log "$log"
tnm retrain "$work/pruned.tnm" --data "$data" -o "$work/retrained.tnm" --epochs 16 --batch 64 \
    --lr 0.001 --l2 1e-4 --schedule constant --seed $((seed + 1)) --threads $threads --log "$log"
tnm share "$work/retrained.tnm" --bits 5 -o "$work/shared.tnm" --data "$data" --log "$log"
