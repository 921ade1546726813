# SPDX-License-Identifier: MIT
# From mnist-mlp-pruned: at most 32 different weights in each layer.
tnm share models/mnist-mlp-pruned.tnm --bits 5 -o models/mnist-mlp-5bit.tnm --data "$data" \
    --log "$log"
