# another learner's containers
sed -i 's/MINIRUN_LAB={{token}}/MINIRUN_LAB=0123abcd/' bundle/config.json second/config.json
./minirun run -d one bundle
./minirun exec one rm /srv/old.txt
./minirun run -d --ephemeral two second
./minirun exec two sh -c 'echo {{order}} > /srv/order.txt'
