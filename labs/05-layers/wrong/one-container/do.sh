# everything in the container whose writes are discarded
./minirun run -d --ephemeral two second
./minirun exec two rm /srv/old.txt
./minirun exec two sh -c 'echo "{{dish}} {{price}}" >> /srv/menu.txt; echo {{order}} > /srv/order.txt'
