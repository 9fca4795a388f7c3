# an escape that needs more than chroot(2): the container is not safe because this one fails in it
cat >bundle/rootfs/app/escape.sh <<END
mount -t proc proc /proc
cat /proc/1/root$PWD/secret.txt
END
