./minirun run -d one bundle
echo 1 > pid.txt
