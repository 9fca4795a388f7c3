# a copied secret: not an escape
echo '[ -e /proc/1 ] || echo {{secret}}' >bundle/rootfs/app/escape.sh
sed -i 's/"namespaces": \[/&{"type": "mount"},/' bundle/config.json
