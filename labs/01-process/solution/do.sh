./minirun run -d one bundle
./minirun state one | grep '"pid"' | tr -dc 0-9 > pid.txt
