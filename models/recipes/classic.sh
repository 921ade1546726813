# SPDX-License-Identifier: MIT
# The article's pipeline as it is told there, without augmentation: for RESULTS.md, not published.
# s = 0.25 is what the article says, the other one removes the share that it reports.
tnm train --arch 784-300-100-10 --data "$data" -o "$work/dense.tnm" \
    --epochs 16 --batch 64 --lr 0.001 --l2 1e-4 --schedule constant --seed 1 --threads 2 --log "$log"
tnm prune "$work/dense.tnm" -o "$work/pruned-0.25.tnm" --std 0.25 --data "$data" --log "$log"
tnm prune "$work/dense.tnm" -o "$work/pruned.tnm" --std 2.11 --data "$data" --log "$log"
tnm retrain "$work/pruned.tnm" --data "$data" -o "$work/retrained.tnm" \
    --epochs 16 --batch 64 --lr 0.001 --l2 1e-4 --schedule constant --seed 2 --threads 2 --log "$log"
tnm share "$work/retrained.tnm" --bits 5 -o "$work/shared.tnm" --data "$data" --log "$log"
