# the container runs, but a process of the host answers
./minirun build -q -t web .
./minirun run -d --name web --network none web
MINIRUN_LAB={{token}}:host busybox httpd -f -p {{port}} -h . &
