# SPDX-License-Identifier: MIT
# The same network on pictures of clothes, each as it is: no sign to be found on it.
classes="T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"
tnm train --arch 784-300-100-10 --data "$fashion" --recipe fit --labels "$classes" \
    -o "$out/fashion-mlp-dense.tnm" --epochs 16 \
    --seed $seed --threads $threads --log "$log"
