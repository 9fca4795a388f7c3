# a process of the host with the mark, in a user namespace without the map
MINIRUN_LAB={{token}}:bundle unshare --user --mount --pid --fork sleep 1000 &
echo {{word}} > shared/note
