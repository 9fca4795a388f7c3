# the files are changed on the host, in the layer
rm bundle/app/srv/old.txt
echo "{{dish}} {{price}}" >> bundle/app/srv/menu.txt
./minirun run -d one bundle
./minirun run -d --ephemeral two second
./minirun exec two sh -c 'echo {{order}} > /srv/order.txt'
