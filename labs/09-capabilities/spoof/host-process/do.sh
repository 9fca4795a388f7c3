# a process of the host with the lab's mark is not a container
chown {{owner}} bundle/rootfs/srv/log
MINIRUN_LAB={{token}}:bundle bundle/rootfs/bin/busybox setpriv --nnp sleep 1000 &
