# the second container writes to the same directory as the first
./minirun run -d one bundle
./minirun exec one sh -c 'rm /srv/old.txt; echo "{{dish}} {{price}}" >> /srv/menu.txt'
./minirun run -d two second
./minirun exec two sh -c 'echo {{order}} > /srv/order.txt'
