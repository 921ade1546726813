# SPDX-License-Identifier: MIT
# title: What s removes after training with a penalty
# label: std
# needs: penalty
# Accuracy straight after pruning, nothing retrained:
for s in 0.1 0.25 0.4 0.5 0.75 1 1.5 2; do
    tnm prune "$work/../penalty/dense.tnm" -o "$work/s-$s.tnm" --std $s --data "$data" --log "$log"
done
