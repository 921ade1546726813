# SPDX-License-Identifier: MIT
# The same network on pictures of clothes and shoes, each taken whole. They may be mirrored, but stand
# less turning and bending than handwriting. A convolutional teacher of 91.6 % did not make it better.
classes="T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"
tnm train --arch 784-300-100-10 --data "$fashion" --recipe fit --labels "$classes" \
    -o "$out/fashion-mlp-dense.tnm" --epochs 60 --weak 9 --mirror --reach 0.4 \
    --seed $seed --threads $threads --log "$log"
