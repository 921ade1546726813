# SPDX-License-Identifier: MIT
# The published pruned network with fewer and fewer different weights.
for bits in 8 7 6 5 4 3 2 1; do
    tnm share models/mnist-mlp-pruned.tnm --bits $bits -o "$work/$bits-bit.tnm" --data "$data" \
        --log "$log"
done
