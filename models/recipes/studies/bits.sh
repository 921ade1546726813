# SPDX-License-Identifier: MIT
# title: How many bits
# label: bits
# needs: mnist-mlp-pruned
# The published pruned network with fewer and fewer different weights: k-means, nothing tuned. A code
# takes B bits beside the 16 bits of a column index, which is why the file shrinks less than the values
# do.
for bits in 8 7 6 5 4 3 2 1; do
    tnm share "$out/mnist-mlp-pruned.tnm" --bits $bits -o "$work/$bits-bit.tnm" --data "$data" \
        --log "$log"
done
