# another learner's container
sed -i 's/MINIRUN_LAB={{token}}/MINIRUN_LAB=0123abcd/' bundle/config.json
./minirun run -d one bundle
./minirun state one | grep '"pid"' | tr -dc 0-9 > pid.txt
