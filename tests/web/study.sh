# SPDX-License-Identifier: Apache-2.0
# The report of a study that is made in seconds: two networks, mosaics, and a cell that fails.
net=xception,stem-stride=1,stem=8/16,entry=16/32,middle=1,exit=32/48/64
python3 ../../../tests/study/pictures.py set 60 40
"$XCEPTION" study -q --data set --preset fig9 --preset fig10 --preset table3 --preset fig7 --arch $net \
    --epochs 6 --batch 16 --repeat 3 --lr 0.02 -o study
test -s study/report.html
rm study/cells/act=relu-s1/predictions.bin
printf 'step 17: the loss is not finite\n7\n' >study/cells/act=relu-s1.failed
"$XCEPTION" study -q -o study --report
cp study/report.html "$OUT/study.html"
