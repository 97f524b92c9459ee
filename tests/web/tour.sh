# The tour with what everybody has: a drawn picture and random weights; and of another network.
"$XCEPTION" tour -o ../tour.html
"$XCEPTION" summary --arch inception-v3 --html ../summary.html > /dev/null
