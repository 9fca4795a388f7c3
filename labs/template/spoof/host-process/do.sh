# a process of the host with the lab's mark is not a container
MINIRUN_LAB={{token}}:bundle sleep 1000 &
