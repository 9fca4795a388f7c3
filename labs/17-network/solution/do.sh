ip=ip; command -v ip >/dev/null || ip="busybox ip"
./minirun run -d web web
pid=$(./minirun state web | grep '"pid"' | tr -dc 0-9)

# a switch, and the host's address on it
$ip link add lab17br type bridge
$ip addr add 10.17.{{subnet}}.1/24 dev lab17br
$ip link set lab17br up

# a cable: one end in the switch, the other one in the container
$ip link add lab17host type veth peer name lab17box
inner=$($ip link show lab17host | sed -n 's/.*lab17host@\([^:]*\):.*/\1/p')
$ip link set lab17host master lab17br
$ip link set lab17host up
$ip link set "$inner" netns "$pid"
nsenter -t "$pid" -n $ip addr add 10.17.{{subnet}}.2/24 dev "$inner"
nsenter -t "$pid" -n $ip link set "$inner" up

# what -p does
cat > forward <<'END'
#!/bin/sh
export MINIRUN_LAB={{token}}:forward # so that a reset finds it
exec busybox nc -ll -p {{port}} -e busybox nc 10.17.{{subnet}}.2 8080
END
./forward &
for try in $(seq 100); do
	busybox wget -q -O /dev/null http://127.0.0.1:{{port}} && break
	sleep 0.1
done
