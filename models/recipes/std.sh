# SPDX-License-Identifier: MIT
# What each threshold removes from the plain network of classic.sh, and what that costs before
# anything is retrained.
for s in 0.25 0.5 0.75 1 1.25 1.5 1.75 2 2.25; do
    tnm prune "$work/../classic/dense.tnm" -o "$work/s-$s.tnm" --std $s --data "$data" --log "$log"
done
