# processes of the host with the lab's mark share all namespaces
for kind in whole pid net uts ipc mnt; do
	MINIRUN_LAB={{token}}:bundle sleep 1d &
done
