# SPDX-License-Identifier: MIT
# needs: fashion-mlp-dense
# At most 16,000 bytes, taught by the network that it starts from and by a convolutional one: what is
# left of it learns the training images by heart otherwise.
classes="T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"
tnm train --arch lenet5 --data "$fashion" --recipe fit --labels "$classes" -o "$work/teacher.tnm" \
    --epochs 16 --batch 64 --lr 0.0015 --weak 11 --mirror \
    --seed $seed --threads $threads --log "$log"
tnm squeeze --from "$out/fashion-mlp-dense.tnm" --data "$fashion" --budget 16000 \
    --teacher "$out/fashion-mlp-dense.tnm,$work/teacher.tnm" --remember "$shared/fashion-said" \
    --weak 9 --mirror --reach 0.5 --work "$shared/fashion" -o "$out/fashion-mlp-packed.tnm" \
    --seed $seed --threads $threads --log "$log"
