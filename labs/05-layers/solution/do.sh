./minirun run -d one bundle
./minirun exec one rm /srv/old.txt
./minirun exec one sh -c 'echo "{{dish}} {{price}}" >> /srv/menu.txt'
./minirun run -d --ephemeral two second
./minirun exec two sh -c 'echo {{order}} > /srv/order.txt'
