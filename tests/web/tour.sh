# The tour with what everybody has, a drawn picture and random weights; of a network whose last map
# is its answer; and another one drawn.
"$XCEPTION" tour -o ../tour.html
"$XCEPTION" tour -a mini-xception -o ../tour-mini.html
"$XCEPTION" summary --arch inception-v3 --html ../summary.html > /dev/null
