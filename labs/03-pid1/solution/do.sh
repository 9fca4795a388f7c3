cat bundle/rootfs/app/start.sh
./minirun run -d good bundle
./minirun kill good TERM
