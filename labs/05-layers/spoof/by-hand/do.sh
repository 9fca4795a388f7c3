# the upper directory is made by hand; the container has one directory with everything
mkdir -p bundle/upper/srv
mknod bundle/upper/srv/old.txt c 0 0
cp bundle/app/srv/menu.txt bundle/upper/srv/menu.txt
echo "{{dish}} {{price}}" >> bundle/upper/srv/menu.txt
mkdir -p bundle/rootfs/srv
echo {{order}} > bundle/rootfs/srv/order.txt
sed -i /dev.minirun/d bundle/config.json
sed -i 's/"annotations": {/"annotations": {"x": "y"/' bundle/config.json
./minirun run -d one bundle
