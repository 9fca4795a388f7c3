# the number of a process that has nothing to do with the container
./minirun run -d one bundle
echo $$ > pid.txt
